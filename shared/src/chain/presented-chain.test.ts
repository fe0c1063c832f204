import { expect, it } from "vitest";
import { type PeerCertificate, presentedChain } from "./presented-chain.ts";

it("gives leaf, issuing CA and a root that names itself, each once", () => {
  const root: { raw: Uint8Array; issuerCertificate?: PeerCertificate } = { raw: Uint8Array.of(3) };
  root.issuerCertificate = root;
  const issuing = { raw: Uint8Array.of(2), issuerCertificate: root };
  const leaf = { raw: Uint8Array.of(1), issuerCertificate: issuing };
  expect(presentedChain(leaf)).toEqual([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
});

it("is empty when the peer presented none, which node:tls says by an object without bytes", () => {
  expect(presentedChain({})).toEqual([]);
  expect(presentedChain(undefined)).toEqual([]);
});

it("ends with the tenth certificate of a peer that presents more", () => {
  let leaf: PeerCertificate | undefined;
  for (let count = 0; count < 30; count += 1) {
    leaf = { raw: Uint8Array.of(count), ...(leaf && { issuerCertificate: leaf }) };
  }
  expect(presentedChain(leaf).map(([first]) => first)).toEqual([29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
});
