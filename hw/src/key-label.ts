import { FleetError } from "@fleetcert/shared";

/** Checks a key's label: 1 to 128 visible ASCII characters or blanks. Throws `request-invalid`. */
export function requireLabel(label: string): string {
  if (/^[ -~]{1,128}$/.test(label)) return label;
  throw new FleetError(
    "request-invalid",
    `a key's label has 1 to 128 printable ASCII characters, not ${label.length}`,
    {
      hint: "use letters, digits, dots, slashes and dashes",
    },
  );
}
