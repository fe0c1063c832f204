import type { Clock, Instant } from "@fleetcert/shared";
import type { Log, StateStore } from "../ports.ts";
import { deleteTwin, putTwin, readTwin } from "../twin/twin-record.ts";

/** What the controller's verified word says of this device: nothing against it, or what and how to mend it. */
export type Standing =
  | { readonly type: "clear" }
  | {
      readonly type: "against";
      /** A code of the error catalogue, or one this side does not know. */
      readonly code: string;
      readonly message: string;
      readonly hint: string;
    };

/** What stands against this device, and since when it has known. */
export type StandingAgainst = Omit<Extract<Standing, { type: "against" }>, "type"> & { readonly since: Instant };

/** What a standing is kept with, and who is told of it. */
export interface StandingKeeperOptions {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Told when the controller says that the device is retired; must not throw. */
  readonly retired: () => void;
}

/**
 * Why the controller turns this device away, kept over restarts for whoever looks at it, and logged once. Only verified words
 * may be given to it: `device-retired` ends the device.
 */
export class StandingKeeper {
  readonly #options: StandingKeeperOptions;
  #against: StandingAgainst | undefined;

  private constructor(options: StandingKeeperOptions, against: StandingAgainst | undefined) {
    this.#options = options;
    this.#against = against;
  }

  static async open(options: StandingKeeperOptions): Promise<StandingKeeper> {
    return new StandingKeeper(options, await readStanding(options.state));
  }

  /** What stands against this device; undefined when nothing does, as far as it has heard. */
  get current(): StandingAgainst | undefined {
    return this.#against;
  }

  /** Takes the controller's word; durable when it resolves. The same word again changes nothing. */
  async heard(standing: Standing): Promise<void> {
    const { state, clock, log, retired } = this.#options;
    if (standing.type === "clear") {
      if (this.#against === undefined) return;
      log.info({ code: this.#against.code }, "no longer turned away");
      this.#against = undefined;
      await state.write(deleteTwin(standingKey));
      return;
    }
    const { code, message, hint } = standing;
    if (this.#against?.code !== code || this.#against.message !== message) {
      log.warn({ code, message, hint }, "turned away by the controller");
      this.#against = { code, message, hint, since: clock.now() };
      await state.write(putTwin(standingKey, new TextEncoder().encode(JSON.stringify(this.#against))));
    }
    if (code === "device-retired") retired();
  }
}

/** What an agent that is not running last heard. Throws `store-corrupt`. */
export async function readStanding(state: StateStore): Promise<StandingAgainst | undefined> {
  const bytes = await readTwin(state, standingKey);
  return bytes === undefined ? undefined : (JSON.parse(new TextDecoder().decode(bytes)) as StandingAgainst);
}

const standingKey = "standing";
