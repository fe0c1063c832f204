export {
  assertNever,
  type ErrorCode,
  type ErrorDetails,
  errorCatalogue,
  exitCodes,
  FleetError,
  isFleetError,
} from "./errors.ts";
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
export { Secret, type SecretSource } from "./key/secret.ts";
export type { Clock, Duration, Instant } from "./time/instant.ts";
