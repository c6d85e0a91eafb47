// Rows of a mapping table as the TOML text that the service reads, and values as they are typed in a row.

/** A text in TOML: JSON's escapes are TOML's, but for the one character that JSON leaves as it is. */
function quoted(text) {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007F");
}

function literal(value) {
  return typeof value === "string" ? quoted(value) : String(value);
}

/** Keys of a dotted path, those in quotes that are no bare keys. */
function dotted(path) {
  return path.split(".").map((key) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key))).join(".");
}

function row(kind, { sources, form, constant, target, required, fallback }) {
  const said = sources.length === 1 ? quoted(sources[0]) : `[${sources.map(quoted).join(", ")}]`;
  return [
    `[[${kind}]]`,
    constant === null ? `source = ${said}` : `constant = ${literal(constant)}`,
    `target = ${quoted(target)}`,
    form === null || constant !== null ? null : `form = ${quoted(form)}`,
    required ? "required = true" : null,
    fallback === null ? null : `default = ${literal(fallback)}`,
  ].filter((part) => part !== null).join("\n");
}

/** The text of a whole table: `{kinds: [{kind, rows}], removed: [{target, value}]}`. */
export function textOf({ kinds, removed }) {
  const rows = kinds.flatMap(({ kind, rows }) => rows.map((each) => row(kind, each)));
  const constants = removed.map(({ target, value }) => `${dotted(target)} = ${literal(value)}`);
  return `${[...rows, ...(constants.length > 0 ? [`[removed]\n${constants.join("\n")}`] : [])].join("\n\n")}\n`;
}

/** A row as it is typed, of one as the service gives it. Sources of several forms have their natural ones. */
export function typedRow({ sources, constant, target, required, default: fallback }) {
  const forms = new Set(sources.map((source) => source.form));
  const made = sources.some((source) => source.attribute.startsWith("@"));
  return {
    sources: sources.map((source) => source.attribute),
    form: forms.size === 1 && !made ? [...forms][0] : null,
    constant: sources.length === 0 ? constant : null,
    target, required, fallback,
  };
}

/** A row of nothing. */
export function emptyRow(kind) {
  const of = { user: "userAssetClass", group: "groupAssetClass", computer: "hostAssetClass", role: "roleAssetClass" };
  return { sources: [""], form: null, constant: null, target: `asset.assetDetail.${of[kind] ?? kind}.`, required: false, fallback: null };
}

/** What is typed for a constant or a default: `true`, `false` and whole numbers as such, a text in quotes or without. */
export function valueOf(text) {
  if (text === "true" || text === "false") return text === "true";
  if (/^-?(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  try {
    const read = JSON.parse(text);
    if (typeof read === "string") return read;
  } catch {
    // It is no text in quotes: the text itself.
  }
  return text;
}

/** The other way: a text that would be read as something else is put in quotes. */
export function textOfValue(value) {
  if (value === null) return "";
  return typeof value === "string" && valueOf(value) === value ? value : JSON.stringify(value);
}

/** The row that a line of the text belongs to: its kind and its place among those of the kind. */
export function rowAt(text, line) {
  const heads = text.split("\n").slice(0, line).map((each) => each.match(/^\[\[(\w+)\]\]/)?.[1]).filter(Boolean);
  const kind = heads.at(-1);
  return kind && { kind, at: heads.filter((head) => head === kind).length - 1 };
}
