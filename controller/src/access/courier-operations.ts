import type { Instant } from "@fleetcert/shared";
import type { CourierContactRecord } from "../contact-records.ts";
import type { Actor, CertificateView, ListRequest, PageOf } from "./operations.ts";

/** The last bundle of a device that a courier brought. */
export type CourierContactView = Omit<CourierContactRecord, "device">;

/** A device that couriers reach. */
export interface CourierDeviceView {
  readonly device: string;
  readonly site: string;
  readonly connectivity: string;
  /** Undefined while no bundle of it ever came. */
  readonly contact: CourierContactView | undefined;
  /** The newest proven certificate, or the newest issued one before the first proof. */
  readonly certificate: CertificateView | undefined;
  /** Generation that was issued and whose proof has not come. */
  readonly waitingForProof: number | undefined;
}

/** What became of one message of a bundle. */
export interface CourierAnswerView {
  readonly asked: string;
  readonly answer: string;
  readonly slot?: string;
  readonly generation?: number;
  readonly code?: string;
  readonly message?: string;
}

/** What a technician who carries bundles asks of the controller. */
export interface CourierOperations {
  /** Takes the bundle of a device and gives the one to bring back. The same bundle again gives the same answers. */
  exchange(
    actor: Actor,
    bundle: Uint8Array,
  ): Promise<{
    readonly device: string;
    readonly generation: number;
    readonly counter: number;
    readonly isRepeated: boolean;
    readonly answers: readonly CourierAnswerView[];
    readonly expiresAt: Instant;
    readonly reply: Uint8Array;
  }>;
  /** Devices of class `courier`, and those a courier ever reached. */
  list(actor: Actor, request: ListRequest): Promise<PageOf<CourierDeviceView>>;
}
