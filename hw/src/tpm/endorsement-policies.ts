/** The policies of endorsement keys (TCG EK Credential Profile annex B.6), by the hash of their name. */
export const endorsementPolicies: Readonly<Record<"sha256" | "sha384", EndorsementPolicy>> = {
  sha256: {
    branches: [
      fromHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"),
      fromHex("3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde"),
    ],
    whole: fromHex("ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0"),
  },
  sha384: {
    branches: [
      fromHex("8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e143e8bb1133824ccb431053871c6db53"),
      fromHex("d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165"),
    ],
    whole: fromHex("b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12"),
  },
};

interface EndorsementPolicy {
  /** PolicyA (the endorsement hierarchy's right) and PolicyC (a policy kept in the TPM's memory). */
  readonly branches: readonly [Uint8Array, Uint8Array];
  /** PolicyB, the high range's: either of them. The low range's is PolicyA alone. */
  readonly whole: Uint8Array;
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
