import type { TrustBundle } from "@fleetcert/proto";
import { type Certificate, FleetError, parseCertificate } from "@fleetcert/shared";
import { bridgeTo, createRoot } from "./create-root.ts";
import type { BundleRenewal } from "./renew-bundle.ts";
import { signRootList } from "./sign-root-list.ts";

/** The roots of the next bundle, and what leads to them. */
export interface ChangedRoots {
  readonly roots: TrustBundle["roots"];
  readonly bridges: TrustBundle["bridges"];
  /** The one that is trusted for the first time, and its first list. */
  readonly newRoot: Certificate | undefined;
  readonly newRootList: Uint8Array | undefined;
}

/** Brings a root in or lets one go, as the renewal asks. Throws `trust-invalid`, `conflict`. */
export async function changeRoots(
  request: BundleRenewal,
  { root, version }: { readonly root: Certificate; readonly version: number },
): Promise<ChangedRoots> {
  const { current, now, rootSigner, newRootSigner, retiredRoot, withoutBridges = false } = request;
  const roots = current.roots.filter((der) => parseCertificate(der).sha256 !== retiredRoot);
  if (root.sha256 === retiredRoot) {
    throw new FleetError("trust-invalid", "the root that is to be retired would sign the bundle without it", {
      hint: "give the key of the new root",
    });
  }
  const alive = withoutBridges ? [] : current.bridges.filter((der) => parseCertificate(der).notAfter > now);
  if (newRootSigner === undefined) {
    return { roots, bridges: alive, newRoot: undefined, newRootList: undefined };
  }
  const by = { ...request, fleet: current.fleet };
  const newRoot = await createRoot(by, newRootSigner);
  const bridge = withoutBridges ? [] : [await bridgeTo(by, { root: newRoot, elder: root, signer: rootSigner })];
  const list = { root: newRoot, signer: newRootSigner, number: version, now, entries: [] };
  return {
    ...{ newRoot, newRootList: await signRootList(request, list) },
    roots: [...roots, newRoot.der],
    bridges: [...bridge.map(({ der }) => der), ...alive].slice(0, maxBridges),
  };
}

/** Roots back to which a chain leads; agents look at ten certificates of a server. */
const maxBridges = 3;
