import { FleetError, isAttestationError, TpmReader, tpmDigest, tpmJoin, tpmU16, tpmU32 } from "@fleetcert/shared";
import type { Authorization } from "./authorization.ts";
import { notStarted, success, tpmError, tryAgainCodes } from "./response-code.ts";
import type { TpmObject } from "./tpm-object.ts";
import { maxTpmMessageBytes, type TpmTransport } from "./transport.ts";

/** One command as the TPM is asked it (Part 1 §18). */
export interface TpmCommand {
  /** `TPM2_…`, for messages. */
  readonly name: string;
  readonly code: number;
  readonly handles?: readonly TpmObject[];
  /** For the first handles, in their order. */
  readonly authorizations?: readonly Authorization[];
  readonly parameters?: Uint8Array;
  /** Whether the response begins with the handle of something the command made. */
  readonly givesHandle?: boolean;
}

/** A response's handle and parameters. */
interface TpmAnswer {
  readonly handle: number;
  readonly parameters: TpmReader;
}

/** Frames commands, authorises them, sends them again while the TPM is busy, and reads responses. */
export class TpmConnection {
  readonly #transport: TpmTransport;
  readonly #wait: (milliseconds: number) => void;

  constructor(transport: TpmTransport, wait: (milliseconds: number) => void = waitHere) {
    this.#transport = transport;
    this.#wait = wait;
  }

  /**
   * Runs one command and hands its answer to `read`, which must read all of it.
   *
   * Throws `token-error` or `pin-refused` with the name of the response code, `token-error` for a malformed response, and
   * what the transport throws.
   */
  run<T>(command: TpmCommand, read: (answer: TpmAnswer) => T): T {
    const authorizations = command.authorizations ?? [];
    const request = frame(command);
    const response = this.#exchange(command.name, request);
    try {
      const answer = unframe(command, authorizations, response);
      const value = read(answer);
      answer.parameters.finish();
      return value;
    } catch (cause) {
      if (!isAttestationError(cause)) throw cause;
      throw new FleetError("token-error", `the TPM's response to ${command.name} is malformed`, { cause });
    }
  }

  close(): void {
    this.#transport.close();
  }

  /** A busy TPM asks for the same bytes again; that is bounded, and pauses grow. */
  #exchange(name: string, request: Uint8Array): Uint8Array {
    for (let attempt = 0; ; attempt++) {
      const response = this.#transport.transact(request);
      const code = responseCode(name, response);
      if (code === success) return response;
      if (attempt >= maxAttempts || !(tryAgainCodes.has(code) || code === notStarted)) throw tpmError(name, code);
      if (code === notStarted) this.#start();
      else this.#wait(Math.min(2 ** attempt, 1000));
    }
  }

  /** Firmware does that on real machines; for an emulator it is ours to do. */
  #start(): void {
    this.#transport.transact(header(tags.noSessions, 0x144, tpmU16(0)));
  }
}

/** Blocks this thread; TLS and the TPM block it anyway. */
function waitHere(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function frame({ code, handles = [], authorizations = [], parameters = nothing }: TpmCommand): Uint8Array {
  const handleArea = tpmJoin(...handles.map(({ handle }) => tpmU32(handle)));
  if (authorizations.length === 0) return header(tags.noSessions, code, tpmJoin(handleArea, parameters));
  const protectedParameters = authorizations.reduce((bytes, session) => session.protect(bytes), parameters);
  const names = handles.map(({ name }) => name);
  const commandHash = tpmDigest("sha256", tpmJoin(tpmU32(code), ...names, protectedParameters));
  const area = tpmJoin(...authorizations.map((session) => session.write(commandHash)));
  return header(tags.sessions, code, tpmJoin(handleArea, tpmU32(area.length), area, protectedParameters));
}

function header(tag: number, code: number, body: Uint8Array): Uint8Array {
  const length = 10 + body.length;
  if (length > maxTpmMessageBytes) throw new FleetError("internal", `a TPM command of ${length} octets`);
  return tpmJoin(tpmU16(tag), tpmU32(length), tpmU32(code), body);
}

/** Tag, size and code of a response; throws `token-error` when they cannot be. */
function responseCode(name: string, response: Uint8Array): number {
  const view = new DataView(response.buffer, response.byteOffset, response.length);
  if (response.length < 10 || response.length > maxTpmMessageBytes || view.getUint32(2) !== response.length)
    throw new FleetError("token-error", `the TPM's response to ${name} has ${response.length} octets and another size`);
  return view.getUint32(6);
}

function unframe(
  { code, givesHandle = false }: TpmCommand,
  authorizations: readonly Authorization[],
  response: Uint8Array,
): TpmAnswer {
  const reader = new TpmReader(response);
  const tag = reader.u16();
  reader.take(8);
  const handle = givesHandle ? reader.u32() : 0;
  if (tag !== (authorizations.length === 0 ? tags.noSessions : tags.sessions)) throw reader.invalid("another tag");
  if (authorizations.length === 0) return { handle, parameters: new TpmReader(response.subarray(reader.position)) };
  const parameters = reader.take(reader.u32());
  const responseHash = tpmDigest("sha256", tpmJoin(tpmU32(success), tpmU32(code), parameters));
  for (const session of authorizations) {
    const entry = { nonce: reader.sized(64), attributes: reader.u8(), hmac: reader.sized(64) };
    session.accept(entry, responseHash);
  }
  reader.finish();
  const revealed = authorizations.reduceRight((bytes, session) => session.reveal(bytes), parameters);
  return { handle, parameters: new TpmReader(revealed) };
}

const tags = { noSessions: 0x8001, sessions: 0x8002 } as const;

const nothing = new Uint8Array(0);

/** With pauses of 1, 2, 4 … ms up to one second: some 20 s in all. */
const maxAttempts = 30;
