export * from "./codec.ts";
export * from "./envelope.ts";
export * from "./message.ts";
export * from "./signer-table.ts";
export * from "./topics.ts";
export * from "./trust-bundle.ts";
