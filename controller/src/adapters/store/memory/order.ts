/** Orders text as SQLite does: by its UTF-8 octets, which is the order of code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a.charCodeAt(index) === b.charCodeAt(index)) index += 1;
  if (index === length) return a.length - b.length;
  return rank(a.charCodeAt(index)) - rank(b.charCodeAt(index));
}

/** An order by several fields, the first that differs deciding; a leading `-` turns a field's order round. */
export function orderBy<Row>(...fields: readonly ((keyof Row & string) | `-${keyof Row & string}`)[]) {
  const steps = fields.map((field) => {
    const isDescending = field.startsWith("-");
    return { name: (isDescending ? field.slice(1) : field) as keyof Row, sign: isDescending ? -1 : 1 };
  });
  return (a: Row, b: Row): number => {
    for (const { name, sign } of steps) {
      const difference = compare(a[name], b[name]);
      if (difference !== 0) return sign * difference;
    }
    return 0;
  };
}

/** One key of several parts, different for different parts. */
export function compositeKey(...parts: readonly (string | number)[]): string {
  return JSON.stringify(parts);
}

/** The page of sorted rows whose key comes after `after`. */
export function pageOf<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  page: { after: string; limit: number },
): Row[] {
  return pageBehind(rows, (row) => compareText(keyOf(row), page.after) > 0, page.limit);
}

/** At most `limit` of sorted rows, from the first on that lies behind a place. */
export function pageBehind<Row>(rows: readonly Row[], isBehind: (row: Row) => boolean, limit: number): Row[] {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(rows[middle] as Row)) high = middle;
    else low = middle + 1;
  }
  return rows.slice(low, low + limit);
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return compareText(String(a), String(b));
}

/** Surrogates stand for code points above all others of the basic plane. */
function rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x1_0000 : codeUnit;
}
