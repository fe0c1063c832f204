import { FleetError } from "@fleetcert/shared";
import type { AskWhy } from "../connection/connection.ts";
import { askStanding, type StandingQuestion } from "../enrolment/ask-standing.ts";
import type { BootstrapTools } from "../enrolment/bootstrap-session.ts";
import type { StandingKeeper } from "../standing/standing-keeper.ts";

/** What asking why a credential was turned away is wired to. */
export interface AskWhyParts {
  readonly question: StandingQuestion;
  readonly tools: BootstrapTools;
  readonly standing: StandingKeeper;
  /** Bootstrap sessions of one key would take each other's client id over. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  /** Nothing stands against the device, and the time is known. */
  readonly cleared: () => void;
}

/** Asks over bootstrap why a credential was turned away, and hands on what is verified. Nobody's word changes nothing. */
export function askWhyOver({ question, tools, standing, inTurn, cleared }: AskWhyParts): AskWhy {
  return async (credential, signal) => {
    try {
      const heard = await inTurn(() => askStanding(question, credential, { tools, signal }));
      await standing.heard(heard);
      if (heard.type === "clear") cleared();
      return heard.type === "against";
    } catch (error) {
      if (signal.aborted || !(error instanceof FleetError)) throw error;
      tools.surroundings.log.info({ code: error.code }, "cause of the refusal not learnt");
      return false;
    }
  };
}
