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
  /** The fleet of the main job; a scene that wants others makes its own. */
  readonly devices: readonly DemoDevice[];
  /** Has something stopped when the run ends, however it ends; what was handed over last is stopped first. */
  readonly atEnd: (stop: () => Promise<void>) => void;
}
