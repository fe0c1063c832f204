import { readCrlDates, sha256Hex } from "@fleetcert/shared";
import type { ServedCrl } from "../../adapters/http/public-server.ts";
import type { Duties } from "./wire-duties.ts";

/** The lists as the distribution point serves them. Each is read once for its dates, however often strangers ask for it. */
export class ServedLists {
  readonly #duties: Pick<Duties, "revocation" | "trust">;
  readonly #dates = new Map<string, Pick<ServedCrl, "thisUpdate" | "nextUpdate">>();

  constructor(duties: Pick<Duties, "revocation" | "trust">) {
    this.#duties = duties;
  }

  /** The list of a shard. */
  async crl(issuer: string, shard: number): Promise<ServedCrl | undefined> {
    const list = await this.#duties.revocation.crlOf(issuer, shard);
    return list && this.#served(list.der, list.sha256);
  }

  /** The delta that was signed beside that list. */
  async delta(issuer: string, shard: number): Promise<ServedCrl | undefined> {
    const list = await this.#duties.revocation.crlOf(issuer, shard);
    return list?.deltaDer && this.#served(list.deltaDer, sha256Hex(list.deltaDer));
  }

  /** A root's own list, as the certificates of its issuing CAs name it. */
  root(id: string): ServedCrl | undefined {
    const der = this.#duties.trust.rootList(id);
    return der && this.#served(der, sha256Hex(der));
  }

  #served(der: Uint8Array, sha256: string): ServedCrl {
    const dates = this.#dates.get(sha256) ?? readCrlDates(der);
    const [oldest] = this.#dates.keys();
    if (this.#dates.size >= maxKnown && oldest !== undefined) this.#dates.delete(oldest);
    this.#dates.set(sha256, dates);
    return { der, sha256, ...dates };
  }
}

const maxKnown = 1024;
