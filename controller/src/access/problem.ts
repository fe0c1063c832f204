import { type ErrorCode, errorCatalogue, errorRemedies, FleetError } from "@fleetcert/shared";

/** An RFC 9457 problem document. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
  readonly retryable: boolean;
}

/** The problem document of any error; what is not a {@link FleetError} becomes `internal` without its text. */
export function toProblem(error: unknown): Problem {
  const known =
    error instanceof FleetError ? error : new FleetError("internal", "the controller failed; its log says how");
  const { title, http } = errorCatalogue[known.code];
  return {
    type: `urn:fleetcert:problem:${known.code}`,
    title,
    status: http,
    code: known.code,
    detail: known.message,
    hint: known.hint ?? errorRemedies[known.code],
    retryable: known.retry,
  };
}

/** The error a problem document stands for. */
export function fromProblem(problem: Partial<Problem>): FleetError {
  const code = problem.code !== undefined && problem.code in errorCatalogue ? problem.code : "internal";
  return new FleetError(code, problem.detail ?? "the controller gave no reason", {
    ...(problem.hint !== undefined && { hint: problem.hint }),
    retry: problem.retryable ?? false,
  });
}
