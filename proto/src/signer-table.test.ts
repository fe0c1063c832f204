import { describe, expect, it } from "vitest";
import { upKinds } from "./message.ts";
import { type Arrival, requireMaySign, type SignerStanding, signerTable } from "./signer-table.ts";

const arrivals: readonly Arrival[] = ["operational", "bootstrap", "courier"];
const everythingOperational = ["renew", "activated", "report", "ack", "time", "event", "challenge"];

/** DESIGN.md section 5, "Which key may sign what", one line each; what is not named is refused. */
const design: readonly [SignerStanding, Arrival, readonly string[]][] = [
  ["csr", "bootstrap", ["enrol", "attest"]],
  // Together with the key of its claim; the second leg of a TPM travels over sessions only.
  ["csr", "courier", ["enrol", "courier"]],
  // `time` besides `activated`: a device without a known time must check the server's dates on its proving session.
  ["issued", "operational", ["activated", "time"]],
  // Asking again for an answer that was lost.
  // `time` on bootstrap asks why the operational listener turned the device away.
  ["issued", "bootstrap", ["enrol", "attest", "time"]],
  ["issued", "courier", ["activated", "enrol", "courier"]],
  // A TPM is introduced, and asked for its state, over live sessions only.
  ["proven", "operational", [...everythingOperational, "quote", "attest"]],
  // The manifest of a bundle besides what it holds.
  ["proven", "courier", [...everythingOperational, "courier"]],
  ["proven", "bootstrap", ["renew", "time"]],
  ["retired-in-grace", "operational", everythingOperational.filter((kind) => kind !== "renew")],
  ["retired-in-grace", "courier", [...everythingOperational, "courier"].filter((kind) => kind !== "renew")],
  ["retired-in-grace", "bootstrap", ["time"]],
  ["expired", "bootstrap", ["renew", "time"]],
  ["expired", "courier", ["renew", "time", "courier"]],
  // "revoked: gets the cause, nothing else".
  ["revoked", "courier", ["courier"]],
];

describe("the signer table", () => {
  it("allows exactly what the design names, for every standing, kind and way", () => {
    const allowedByDesign = (standing: string, arrival: string): readonly string[] =>
      design.find(([one, way]) => one === standing && way === arrival)?.[2] ?? [];
    for (const standing of Object.keys(signerTable) as SignerStanding[]) {
      for (const arrival of arrivals) {
        for (const kind of upKinds) {
          const isAllowed = allowedByDesign(standing, arrival).includes(kind);
          const act = () => requireMaySign(standing, kind, arrival);
          if (isAllowed) expect(act, `${standing} ${arrival} ${kind}`).not.toThrow();
          else
            expect(act, `${standing} ${arrival} ${kind}`).toThrow(
              expect.objectContaining({ code: "signer-not-allowed" }),
            );
        }
      }
    }
  });

  it("knows every standing the design names and no more", () => {
    const standings = [
      "csr",
      "issued",
      "proven",
      "retired-in-grace",
      "retired",
      "expired",
      "revoked",
      "abandoned",
      "unknown",
    ];
    expect(Object.keys(signerTable).sort()).toEqual(standings.sort());
  });

  it("lets a retired, abandoned or unknown key sign nothing at all, and a revoked one only ask for the cause", () => {
    for (const standing of ["retired", "abandoned", "unknown"] as const) {
      expect(Object.values(signerTable[standing]).flat()).toEqual([]);
    }
    expect(Object.values(signerTable.revoked).flat()).toEqual(["courier"]);
  });
});
