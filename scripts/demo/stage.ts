import type { ControllerProcess } from "./controller-process.ts";
import type { DemoDevice } from "./devices.ts";
import type { KeyStoreKind } from "./key-store.ts";
import type { Panel } from "./panel.ts";
import type { Workplace } from "./workplace.ts";

/** What every scene plays with. */
export interface Stage {
  readonly place: Workplace;
  readonly panel: Panel;
  readonly controller: ControllerProcess;
  readonly keyStore: KeyStoreKind;
  readonly devices: readonly DemoDevice[];
}
