/**
 * Counters of devices and of their last words, kept by triggers in the transaction of the row, so that a scrape costs the same
 * with a thousand devices and a hundred thousand; and indexes that answer without reading lists of megabytes.
 */
export const scale = `
create table device_counts (
  state text not null,
  connectivity text not null,
  count integer not null check (count >= 0),
  primary key (state, connectivity)
) strict, without rowid;

create table ack_counts (
  issuer text not null,
  epoch integer not null,
  connectivity text not null,
  count integer not null check (count >= 0),
  primary key (issuer, epoch, connectivity)
) strict, without rowid;

create index acks_by_device on acks (device);
create index crls_at_a_glance on crls (issuer, shard, epoch, entry_count);

insert into device_counts select state, connectivity, count(*) from devices group by state, connectivity;
insert into ack_counts
  select issuer, epoch, connectivity, count(*) from acks join devices on devices.id = acks.device
  where devices.state = 'active' group by issuer, epoch, connectivity;

create trigger device_joins after insert on devices begin
  insert into device_counts values (new.state, new.connectivity, 1) on conflict do update set count = count + 1;
  insert into ack_counts select issuer, epoch, new.connectivity, 1 from acks where device = new.id and new.state = 'active'
    on conflict do update set count = count + 1;
end;

create trigger device_moves after update on devices
  when old.state <> new.state or old.connectivity <> new.connectivity begin
  update device_counts set count = count - 1 where state = old.state and connectivity = old.connectivity;
  delete from device_counts where count = 0;
  insert into device_counts values (new.state, new.connectivity, 1) on conflict do update set count = count + 1;
  update ack_counts set count = count - 1 where old.state = 'active' and connectivity = old.connectivity
    and (issuer, epoch) in (select issuer, epoch from acks where device = old.id);
  delete from ack_counts where count = 0;
  insert into ack_counts select issuer, epoch, new.connectivity, 1 from acks where device = new.id and new.state = 'active'
    on conflict do update set count = count + 1;
end;

create trigger ack_comes after insert on acks begin
  insert into ack_counts select new.issuer, new.epoch, connectivity, 1 from devices where id = new.device and state = 'active'
    on conflict do update set count = count + 1;
end;

create trigger ack_moves after update on acks when old.epoch <> new.epoch begin
  update ack_counts set count = count - 1 where issuer = old.issuer and epoch = old.epoch
    and connectivity = (select connectivity from devices where id = old.device and state = 'active');
  delete from ack_counts where issuer = old.issuer and epoch = old.epoch and count = 0;
  insert into ack_counts select new.issuer, new.epoch, connectivity, 1 from devices where id = new.device and state = 'active'
    on conflict do update set count = count + 1;
end;
`;
