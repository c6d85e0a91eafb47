// A connection as it is typed: the body of the API, read and written by the keys that the service names in its mistakes.

import { zone } from "./dom.js";

/** What a password is bound to. Whoever changes one of these types the password again (R35). */
const BOUND = ["host", "domain", "port", "transport", "certificate", "certificateSha256", "serverName"];

/** Keys whose objects are one value. */
const WHOLE = ["password", "schedule", "baseline"];

/** A connection of which nothing is typed. `null` is the default of the service. */
export function emptyDraft() {
  return {
    name: "",
    description: null,
    disabled: false,
    directory: {
      host: [], domain: null, site: null, transport: "ldaps", port: null, auth: "simple",
      bindDn: null, certificate: null, certificateSha256: [], serverName: null,
    },
    profile: {
      baseContext: null, searchScope: "subtree", assets: ["users", "groups"],
      userFilter: null, groupFilter: null, computerFilter: null, roleFilter: null, membersOf: [], delta: null, pageSize: null,
    },
    schedule: { cron: "*/15 * * * *", timezone: zone },
    mapping: null,
    removals: { objects: null, maxCount: null, maxPercent: null, lag: null },
    upstream: { connectorUuid: null, source: null },
  };
}

/** Nothing, however it is written. */
function absent(value) {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

/** `true` where both say the same. */
export function same(one, other) {
  if (absent(one) && absent(other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || absent(one) || absent(other)) return one === other;
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => same(one[key], other[key]));
}

export class Draft {
  /** `original` is the configuration as it is stored, or null for a new connection. */
  constructor(original = null) {
    this.original = original;
    this.body = structuredClone(original ?? emptyDraft());
  }

  /** The value at a key, `directory.host`. */
  get(key) {
    return key.split(".").reduce((value, part) => value?.[part], this.body);
  }

  /** Takes a key away: the service has its default for it. */
  drop(key) {
    delete this.body[key];
  }

  /** Sets the value at a key; a text of nothing is none. */
  set(key, value) {
    const parts = key.split(".");
    const last = parts.pop();
    const place = parts.reduce((value, part) => (value[part] ??= {}), this.body);
    place[last] = value === "" ? null : value;
  }

  /** Takes the configuration that is stored now for the one that this was made from: what was changed here stays, all else is as stored. */
  rebase(stored) {
    for (const { key, left, right } of Draft.differences(this.original, stored)) {
      if (same(this.get(key), left)) this.set(key, structuredClone(right));
    }
    this.original = structuredClone(stored);
  }

  /** `true` when something differs from what is stored. */
  get changed() {
    return !same(this.original ?? emptyDraft(), this.body);
  }

  /** `true` when a password was typed. */
  get typed() {
    return typeof this.get("directory.password") === "string";
  }

  /** `true` when there is a password that is kept. */
  get kept() {
    return this.original?.directory?.password?.set === true;
  }

  /** `true` when the kept password would go to another server, so that it has to be typed again. */
  get secretNeeded() {
    return this.kept && !this.typed && this.get("directory.auth") !== "kerberos"
      && BOUND.some((key) => !same(this.original.directory[key], this.body.directory[key]));
  }

  /** What of it a test of the connection depends on, as text. */
  get tested() {
    const given = ({ directory, upstream }) => [directory, upstream].map((section) => Object.entries(section ?? {}).filter(([, value]) => !absent(value)).sort());
    return JSON.stringify(given(this.body));
  }

  /** Keys whose values differ between two configurations, with both values. */
  static differences(one, other, prefix = "") {
    const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
    const keys = new Set([...Object.keys(one ?? {}), ...Object.keys(other ?? {})]);
    return [...keys].flatMap((key) => {
      const [left, right] = [one?.[key], other?.[key]];
      if (same(left, right)) return [];
      const nested = [left, right].every((value) => plain(value) || absent(value)) && !WHOLE.includes(key);
      return nested ? Draft.differences(left, right, `${prefix}${key}.`) : [{ key: prefix + key, left, right }];
    });
  }
}

/** A value of the configuration in words; secrets are never shown. */
export function inWords(key, value) {
  if (key.endsWith("password")) return typeof value === "string" ? "typed" : value?.set ? "set" : "none";
  if (absent(value)) return "default";
  if (key === "mapping") return `a table of ${value.split("\n").length} lines`;
  if (key === "directory.certificate") return "given";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
