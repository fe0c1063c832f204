import type { Profile } from "./policy.ts";

/** Profiles by their names. */
export type Profiles = ReadonlyMap<string, Profile>;

/** One setting that would let more through than the profiles in force do. */
export interface Weakening {
  readonly profile: string;
  /** Empty for a profile that is new and wider than every one in force. */
  readonly setting: string;
  /** JSON; empty for a new profile. */
  readonly from: string;
  readonly to: string;
}

/**
 * What of the wanted profiles is weaker than those in force: more kinds of keys, places for them, uses, names or slots, longer lives.
 * When devices renew weakens nothing, nor does a profile that goes. Pure.
 */
export function weakeningsOf(inForce: Profiles, wanted: Profiles): Weakening[] {
  return [...wanted.values()].flatMap((profile) => {
    const before = inForce.get(profile.name);
    if (before !== undefined) return settingsWeakened(before, profile);
    const isCovered = [...inForce.values()].some((one) => settingsWeakened(one, profile).length === 0);
    return isCovered ? [] : [{ profile: profile.name, setting: "", from: "", to: JSON.stringify(profile) }];
  });
}

/**
 * The wanted profiles as far as they weaken nothing: a setting that would is left as it is in force, a new profile that would is
 * left out, and one that goes stays while a slot of another names it. Pure.
 */
export function withoutWeakenings(inForce: Profiles, wanted: Profiles): Profiles {
  const weakened = weakeningsOf(inForce, wanted);
  const kept = new Map<string, Profile>();
  for (const profile of wanted.values()) {
    const settings = weakened.filter((one) => one.profile === profile.name).map(({ setting }) => setting);
    const before = inForce.get(profile.name);
    if (before === undefined && settings.length > 0) continue;
    const asBefore = Object.entries(before ?? {}).filter(([setting]) => settings.includes(setting));
    const isGone = settings.filter((setting) => before !== undefined && !Object.hasOwn(before, setting));
    const left = Object.entries(profile).filter(([setting]) => !isGone.includes(setting));
    kept.set(profile.name, { ...(Object.fromEntries(left) as unknown as Profile), ...Object.fromEntries(asBefore) });
  }
  for (const name of [...kept.values()].flatMap(({ slots = {} }) => Object.values(slots))) {
    const before = inForce.get(name);
    if (before !== undefined && !kept.has(name)) kept.set(name, before);
  }
  return kept;
}

function settingsWeakened(before: Profile, after: Profile): Weakening[] {
  return Object.entries(isWeaker)
    .filter(([, judge]) => judge(before, after))
    .map(([setting]) => ({
      ...{ profile: after.name, setting },
      from: JSON.stringify(before[setting as keyof Profile] ?? null),
      to: JSON.stringify(after[setting as keyof Profile] ?? null),
    }));
}

const adds = (before: readonly string[] = [], after: readonly string[] = []): boolean =>
  after.some((one) => !before.includes(one));

const isWeaker: Readonly<Record<string, (before: Profile, after: Profile) => boolean>> = {
  keyAlgorithms: (before, after) => adds(before.keyAlgorithms, after.keyAlgorithms),
  // What is proven is never less than what is claimed.
  protections: (before, after) => adds([...before.protections, "attested"], after.protections),
  mayLoseAttestation: (before, after) => after.mayLoseAttestation && !before.mayLoseAttestation,
  validity: (before, after) => after.validity > before.validity,
  backdate: (before, after) => after.backdate > before.backdate,
  extendedKeyUsage: (before, after) => adds(before.extendedKeyUsage, after.extendedKeyUsage),
  alternativeNames: (before, after) => adds(before.alternativeNames, after.alternativeNames),
  slots: ({ slots: before = {} }, { slots: after = {} }) =>
    Object.entries(after).some(([slot, profile]) => before[slot] !== profile),
};
