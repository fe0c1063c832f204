export {
  admitEndorsementKey,
  type EndorsementGround,
  type EndorsementPolicy,
} from "./attestation/admit-endorsement-key.ts";
export {
  type Attest,
  type AttestClock,
  type PcrSelection,
  parseAttest,
  readPcrSelections,
} from "./attestation/attest.ts";
export {
  type AttestationError,
  type AttestationFailure,
  attestationFailureOf,
  attestationInvalid,
  isAttestationError,
} from "./attestation/attestation-failure.ts";
export { type AttestationKey, requireAttestationKey } from "./attestation/attestation-key.ts";
export type { CredentialCrypto } from "./attestation/credential-crypto.ts";
export {
  type EndorsementKey,
  requireEndorsementKey,
  type TpmIdentity,
  tpmIdentityOf,
} from "./attestation/endorsement-key.ts";
export { deriveKey } from "./attestation/key-derivation.ts";
export { type MadeCredential, makeCredential } from "./attestation/make-credential.ts";
export { formatPcrSelections, parsePcrSelections } from "./attestation/pcr-selection.ts";
export {
  encodePublicArea,
  maxNameBytes,
  nameOfPublicArea,
  objectAttributes,
  parsePublicArea,
  type TpmCurve,
  type TpmPublicArea,
  type TpmPublicKey,
  type TpmSignatureScheme,
} from "./attestation/public-area.ts";
export { padLeft, spkiOfPublicArea } from "./attestation/public-area-spki.ts";
export { keyQualifyingData, quoteQualifyingData } from "./attestation/qualifying-data.ts";
export { shareSeed } from "./attestation/share-seed.ts";
export { type TpmHash, tpmAlgorithms, tpmDigest, tpmHashBytes } from "./attestation/tpm-algorithm.ts";
export { encodeTpmKey, parseTpmKey, type TpmKeyBlob } from "./attestation/tpm-key-file.ts";
export { TpmReader } from "./attestation/tpm-reader.ts";
export { readTpmSignature, type TpmSignature } from "./attestation/tpm-signature.ts";
export { tpmJoin, tpmSized, tpmU8, tpmU16, tpmU32 } from "./attestation/tpm-writer.ts";
export {
  type CertifiedKey,
  type KeyEvidence,
  type KeyExpectation,
  verifyCertifiedKey,
} from "./attestation/verify-certified-key.ts";
export {
  type QuoteEvidence,
  type QuoteExpectation,
  type VerifiedQuote,
  verifyQuote,
} from "./attestation/verify-quote.ts";
export type { SignedStatement } from "./attestation/verify-statement.ts";
export { type Certificate, parseCertificate } from "./certificate/certificate.ts";
export { DistinguishedName, encodeName, type NameAttribute } from "./certificate/distinguished-name.ts";
export {
  assembleSigned,
  type CertificateTemplate,
  type ConstraintName,
  encodeTbsCertificate,
  type NameConstraintsTemplate,
  signCertificate,
  subjectKeyIdOf,
} from "./certificate/encode-certificate.ts";
export type { Extension } from "./certificate/extension.ts";
export type { ExtendedKeyUsage, KeyUsage } from "./certificate/extension-values.ts";
export type { AlternativeName, AlternativeNames, GeneralName } from "./certificate/general-name.ts";
export { parseIpAddress } from "./certificate/ip-address.ts";
export { pemDecode, pemEncode } from "./certificate/pem.ts";
export { Serial, type SerialHex } from "./certificate/serial.ts";
export type { PathPurpose, PathTime } from "./chain/check-certificate.ts";
export type { ExpectedName } from "./chain/check-name.ts";
export { isHostName } from "./chain/host-name.ts";
export { isPathError, type PathError, type PathFailure, pathFailureOf } from "./chain/path-failure.ts";
export { type PeerCertificate, presentedChain } from "./chain/presented-chain.ts";
export { type PathQuestion, type RevocationQuestion, type ValidatedPath, validatePath } from "./chain/validate-path.ts";
export { VerifiedCas } from "./chain/verified-cas.ts";
export { claimKeyOf } from "./claim/claim-key.ts";
export { type Claim, formatClaimString, isFleetName, parseClaimString } from "./claim/claim-string.ts";
export { type ErrorForm, errorText, exitCodeOf } from "./command-line/error-text.ts";
export { type Listing, type OutputFormat, outputFormats, renderListing, renderOne } from "./command-line/listing.ts";
export { printable } from "./command-line/printable.ts";
export { fromNow, span, when } from "./command-line/times.ts";
export { usageError, wantsJson } from "./command-line/usage-error.ts";
export { type CertificateRevocationList, parseCrl } from "./crl/crl.ts";
export { CrlEntries, type CrlEntry } from "./crl/crl-entries.ts";
export {
  type CrlEntryTemplate,
  type CrlTemplate,
  encodeTbsCrl,
  type IssuingDistributionPointTemplate,
} from "./crl/encode-crl.ts";
export { CrlEntryBuffer } from "./crl/entry-buffer.ts";
export { type CrlRules, lintCrl } from "./crl/lint-crl.ts";
export { readCrlDates } from "./crl/read-crl-dates.ts";
export { type ReasonCode, reasonCodeNumbers, reasonCodeOf } from "./crl/reason-code.ts";
export { verifyCrl } from "./crl/verify-crl.ts";
export { type Csr, parseCsr } from "./csr/csr.ts";
export { encodeCsr } from "./csr/encode-csr.ts";
export { DeviceId, isDeviceId, parseDeviceId } from "./device-id.ts";
export { errorRemedies } from "./error-remedies.ts";
export {
  assertNever,
  type ErrorCode,
  type ErrorDetails,
  errorCatalogue,
  exitCodes,
  FleetError,
  isFleetError,
} from "./errors.ts";
export type { Comparison, Condition, Filter, FilterFacts, FilterValue } from "./filter/filter.ts";
export { matchesFilter } from "./filter/match-filter.ts";
export { parseFilter } from "./filter/parse-filter.ts";
export { sha256, sha256Hex, spkiSha256 } from "./key/digest.ts";
export { ecdsaSignatureFromRaw, ecdsaSignatureToRaw } from "./key/ecdsa-signature.ts";
export type {
  KeyAlgorithm,
  KeyProvider,
  KeyProviderInfo,
  KeySummary,
  OpenKeyProvider,
  Protection,
  ProviderKey,
  Signer,
} from "./key/key.ts";
export { keyAlgorithmOf } from "./key/key-algorithm.ts";
export { Secret, type SecretSource } from "./key/secret.ts";
export { type SignatureAlgorithmIdentifierDer, signatureAlgorithmOf } from "./key/signature-algorithm.ts";
export { type SignatureClaim, verifySignature } from "./key/verify-signature.ts";
export { isOfIssuer } from "./ocsp/ocsp-issuer.ts";
export { maxOcspRequestBytes, type OcspCertId, type OcspRequest, parseOcspRequest } from "./ocsp/ocsp-request.ts";
export { encodeOcspFailure, type OcspSingleAnswer, type OcspStatus, signOcspResponse } from "./ocsp/ocsp-response.ts";
export { IndexSet } from "./snapshot/index-set.ts";
export { applySnapshotDelta, decodeSnapshot, encodeSnapshot, encodeSnapshotDelta } from "./snapshot/snapshot.ts";
export { formatDuration, parseDuration } from "./time/duration.ts";
export type { Clock, Duration, Instant } from "./time/instant.ts";
export {
  acceptTime,
  beginTime,
  type ClockReading,
  type EstimatedTime,
  enterEra,
  estimateTime,
  type TimeEvidence,
  type TimeFloor,
  type TimeKnowledge,
} from "./time/time-keeper.ts";
export { packageVersion, versionText, versionWish } from "./version.ts";
