/**
 * Reads an MQTT string: undefined unless it is well-formed UTF-8 without control characters and non-characters
 * (MQTT 3.1.1 §1.5.3; what it lets a receiver refuse is refused).
 */
export function readMqttText(bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return forbidden.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Whether a text may name the topic of a PUBLISH. MQTT 3.1.1 §4.7 */
export function isTopicName(text: string): boolean {
  return text !== "" && !/[+#]/.test(text);
}

/** Whether a text may stand in SUBSCRIBE or UNSUBSCRIBE: wildcards fill whole levels, `#` only the last. */
export function isTopicFilter(text: string): boolean {
  if (text === "") return false;
  const levels = text.split("/");
  return levels.every(
    (level, at) => !/[+#]/.test(level) || level === "+" || (level === "#" && at === levels.length - 1),
  );
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const forbidden = /[\u0000-\u001f\u007f-\u009f\u{fdd0}-\u{fdef}]|[\ufffe\uffff]|\p{Noncharacter_Code_Point}/u;
