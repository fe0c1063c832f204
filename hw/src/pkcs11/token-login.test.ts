import { Secret } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { ck } from "./constants.ts";
import type { Cryptoki } from "./cryptoki.ts";
import type { TokenFacts } from "./find-token.ts";
import type { PinMemory, PinRecord } from "./pin-memory.ts";
import { logIn } from "./token-login.ts";

describe("presenting a PIN", () => {
  it("that was refused is not done again after a restart, until another stands at its source", () => {
    const card = aCard("right");
    const memory = aMemory();
    expect(tries(card, memory, ["wrong", "wrong"])).toEqual(["CKR_PIN_INCORRECT", "not tried"]);
    expect(tries(card, restarted(memory), ["wrong"])).toEqual(["not tried"]);
    expect(tries(card, restarted(memory), ["right", "right"])).toEqual(["taken", "taken"]);
    expect(card.presented).toEqual(["wrong", "right", "right"]);
  });

  it("leaves the last try a token says it has to a person", () => {
    const card = aCard("right", { tries: 1 });
    const memory = aMemory();
    expect(tries(card, memory, ["right", "wrong"])).toEqual(["not tried", "not tried"]);
    expect(card.presented).toEqual([]);
    expect(tries(card, memory, ["right"], { isAttended: true })).toEqual(["taken"]);
    expect(tries(card, memory, ["right"])).toEqual(["taken"]);
  });

  it("stops after two refused ones on a token that does not say which try is its last", () => {
    const card = aCard("right", { tries: 3, saysLast: false });
    const memory = aMemory();
    expect(tries(card, memory, ["a", "b", "right"])).toEqual(["CKR_PIN_INCORRECT", "CKR_PIN_INCORRECT", "not tried"]);
    expect(tries(card, restarted(memory), ["right"])).toEqual(["not tried"]);
    expect(card.left).toBe(1);
    // Whoever logs in with another program sets the token's count back, and with it ours.
    card.left = 3;
    expect(tries(card, restarted(memory), ["right"])).toEqual(["taken"]);
    expect(tries(card, memory, ["c"])).toEqual(["CKR_PIN_INCORRECT"]);
  });

  it("is not done on a locked token, not even for a person", () => {
    const card = aCard("right", { tries: 0 });
    expect(tries(card, aMemory(), ["right"], { isAttended: true })).toEqual(["not tried"]);
    expect(card.presented).toEqual([]);
  });

  it("is not repeated when the process died before the answer and the token has counted one", () => {
    const card = aCard("right");
    const memory = aMemory();
    const dying = {
      ...memory,
      put: (token: string, record: PinRecord) => record.presented && memory.put(token, record),
    };
    expect(tries(card, dying as PinMemory, ["wrong"])).toEqual(["CKR_PIN_INCORRECT"]);
    expect(memory.find("01/card")?.presented).toBeDefined();
    expect(tries(card, restarted(memory), ["wrong"])).toEqual(["not tried"]);
  });

  it("is repeated when the process died before a right one was answered", () => {
    const card = aCard("right");
    const memory = aMemory();
    memory.put("01/card", { refused: [], inARow: 0, presented: memory.markOf(Secret.of("right")) });
    expect(tries(card, memory, ["right"])).toEqual(["taken"]);
  });

  it("is done though nothing can be written down, as long as the token has seen no wrong one", () => {
    const card = aCard("right");
    const full = {
      ...aMemory(),
      put: () => {
        throw new Error("ENOSPC");
      },
    };
    expect(tries(card, full, ["right"])).toEqual(["taken"]);
    card.left = 2;
    expect(tries(card, full, ["right"])).toEqual(["ENOSPC"]);
    expect(card.presented).toEqual(["right"]);
  });

  it("is remembered as refused only when the PIN was wrong", () => {
    const card = aCard("right", { answer: "CKR_GENERAL_ERROR" });
    const memory = aMemory();
    expect(tries(card, memory, ["right"])).toEqual(["CKR_GENERAL_ERROR"]);
    expect(memory.find("01/card")).toEqual({ refused: [], inARow: 0 });
  });
});

interface Card {
  readonly cryptoki: Cryptoki;
  readonly presented: string[];
  left: number;
}

/** A token that counts wrong PINs down, like a smart card. */
function aCard(right: string, { tries = 3, saysLast = true, answer = "" } = {}): Card {
  const flags = (): number => {
    if (card.left === 0) return ck.CKF_USER_PIN_LOCKED;
    if (card.left === 1 && saysLast) return ck.CKF_USER_PIN_FINAL_TRY | ck.CKF_USER_PIN_COUNT_LOW;
    return card.left < 3 ? ck.CKF_USER_PIN_COUNT_LOW : 0;
  };
  const cryptoki = {
    C_GetTokenInfo: () => ({ flags: flags() }),
    C_Login(_session: Buffer, _user: number, pin: string) {
      card.presented.push(pin);
      if (answer !== "") throw new Error(answer);
      card.left = pin === right ? 3 : card.left - 1;
      if (pin !== right) throw new Error("CKR_PIN_INCORRECT:160");
    },
  } as unknown as Cryptoki;
  const card: Card = { cryptoki, presented: [], left: tries };
  return card;
}

function aMemory(records = new Map<string, PinRecord>()): PinMemory & { readonly records: Map<string, PinRecord> } {
  return {
    records,
    markOf: (pin) => `mark of ${pin.reveal()}`,
    find: (token) => records.get(token),
    put: (token, record) => void records.set(token, record),
  };
}

const restarted = ({ records }: { readonly records: Map<string, PinRecord> }) => aMemory(structuredClone(records));

function tries(card: Card, memory: PinMemory, pins: readonly string[], { isAttended = false } = {}): string[] {
  return pins.map((pin) => {
    const before = card.presented.length;
    try {
      const token = { label: "card", serial: "01", slot: Buffer.alloc(8) } as TokenFacts;
      logIn(card.cryptoki, { session: Buffer.alloc(8), token }, { pin: Secret.of(pin), memory, isAttended });
      return "taken";
    } catch (error) {
      if (card.presented.length > before) return /CKR_[A-Z_]+/.exec((error as Error).message)?.[0] ?? "?";
      const { code, message } = error as Error & { code?: string };
      return code === "pin-refused" ? "not tried" : message;
    }
  });
}
