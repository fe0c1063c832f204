/**
 * Values under topics or filters, found in both directions: the filters that match a topic, and the topics a filter
 * matches (MQTT 3.1.1 §4.7). The cost follows the depth and what is found, not how much is held.
 */
export class TopicTree<Value> {
  readonly #root: Node<Value> = newNode();

  set(name: string, value: Value): void {
    let node = this.#root;
    for (const level of name.split("/")) {
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode();
        node.children.set(level, child);
      }
      node = child;
    }
    node.value = value;
  }

  get(name: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root;
    for (const level of name.split("/")) node = node?.children.get(level);
    return node?.value;
  }

  delete(name: string): void {
    const levels = name.split("/");
    const path: Node<Value>[] = [this.#root];
    for (const level of levels) {
      const child = path.at(-1)?.children.get(level);
      if (child === undefined) return;
      path.push(child);
    }
    const last = path.at(-1);
    if (last !== undefined) last.value = undefined;
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth];
      if (node === undefined || node.value !== undefined || node.children.size > 0) return;
      path[depth - 1]?.children.delete(levels[depth - 1] ?? "");
    }
  }

  /** Values of the filters held here that match a topic. */
  matching(topic: string): Value[] {
    const levels = topic.split("/");
    const found: Value[] = [];
    const visit = (node: Node<Value> | undefined, at: number): void => {
      if (node === undefined) return;
      // `a/#` also matches `a`; a first level starting with `$` is matched by no wildcard.
      const isHidden = at === 0 && topic.startsWith("$");
      if (!isHidden) add(found, node.children.get("#")?.value);
      const level = levels[at];
      if (level === undefined) {
        add(found, node.value);
        return;
      }
      visit(node.children.get(level), at + 1);
      if (!isHidden) visit(node.children.get("+"), at + 1);
    };
    visit(this.#root, 0);
    return found;
  }

  /** Values of the topics held here that a filter matches. */
  under(filter: string): Value[] {
    const levels = filter.split("/");
    const found: Value[] = [];
    const visit = (node: Node<Value>, at: number): void => {
      const level = levels[at];
      if (level === undefined) {
        add(found, node.value);
        return;
      }
      if (level === "#") {
        collect(node, at === 0);
        return;
      }
      for (const child of level === "+" ? visible(node, at === 0) : some(node.children.get(level)))
        visit(child, at + 1);
    };
    const collect = (node: Node<Value>, isRoot: boolean): void => {
      add(found, node.value);
      for (const child of visible(node, isRoot)) collect(child, false);
    };
    visit(this.#root, 0);
    return found;
  }
}

interface Node<Value> {
  readonly children: Map<string, Node<Value>>;
  value: Value | undefined;
}

function newNode<Value>(): Node<Value> {
  return { children: new Map(), value: undefined };
}

function add<Value>(found: Value[], value: Value | undefined): void {
  if (value !== undefined) found.push(value);
}

function some<Value>(value: Value | undefined): Value[] {
  return value === undefined ? [] : [value];
}

function visible<Value>(node: Node<Value>, isRoot: boolean): Node<Value>[] {
  return [...node.children].filter(([level]) => !isRoot || !level.startsWith("$")).map(([, child]) => child);
}
