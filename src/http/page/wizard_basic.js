// Basic Details: the name, where the directory is, who reads it, and the test of all that.

import { el } from "./dom.js";
import { choice, labelled, line, lines, select, separated } from "./field.js";
import { testPanel } from "./wizard_test.js";

/** Octets of a certificate file at most. */
const CERTIFICATE = 256 * 1024;

const TRANSPORTS = [["ldaps", "LDAPS: TLS from the first octet"], ["starttls", "LDAP with STARTTLS"], ["ldap", "LDAP without encryption"]];

/** The text of a certificate file: PEM as it is, DER as base64. */
async function certificateText(file) {
  const octets = new Uint8Array(await file.arrayBuffer());
  const text = new TextDecoder().decode(octets);
  if (text.includes("-----BEGIN ") || /^[A-Za-z0-9+/=\s]+$/.test(text)) return text.trim();
  return btoa(Array.from(octets, (octet) => String.fromCharCode(octet)).join("")).replace(/.{64}/g, "$&\n").trim();
}

function certificateField(draft, changed) {
  const field = lines(draft.get("directory.certificate"), (text) => {
    draft.set("directory.certificate", text.trim());
    changed();
  }, { rows: 3, class: "code", placeholder: "-----BEGIN CERTIFICATE-----" });
  const chosen = async () => {
    const [file] = picker.files;
    if (!file) return;
    if (file.size > CERTIFICATE) return shown.mark({ reason: `${file.name} has more than ${CERTIFICATE / 1024} KiB`, remedy: "choose the certificate of the CA alone" });
    field.value = await certificateText(file);
    shown.mark(null);
    draft.set("directory.certificate", field.value);
    changed();
  };
  const picker = el("input", { type: "file", accept: ".cer,.crt,.pem,.der", "aria-label": "Certificate file", change: chosen });
  const shown = labelled("directory.certificate", "CA certificate", field, {
    hint: "The .cer file of the authority that issued the controllers’ certificates, PEM or DER. Without one, the authorities of the system count.",
    after: el("div", { class: "file" }, picker),
  });
  return shown;
}

function passwordField(draft, changed) {
  const original = draft.original?.directory?.password;
  const keep = () => {
    if (draft.kept) draft.body.directory.password = original;
    else delete draft.body.directory.password;
  };
  const field = el("input", {
    type: "password", autocomplete: "new-password", maxlength: 1024, placeholder: draft.kept ? "kept unless you type a new one" : null,
    input: () => {
      if (field.value === "") keep();
      else draft.body.directory.password = field.value;
      changed();
    },
  });
  // A step that is shown again has what was typed.
  if (draft.typed) field.value = draft.get("directory.password");
  return labelled("directory.password", "Password", field, {
    required: !draft.kept,
    hint: "It is stored encrypted, and never shown again.",
  });
}

/** The step; `name` is the stored connection that is edited, or null. */
export function basicStep({ draft, name, refused, unmark, changed: told }) {
  const set = (key) => (value) => {
    draft.set(key, value);
    changed();
  };
  const text = (key, label, options = {}, attributes = {}) => labelled(key, label, line(draft.get(key), set(key), attributes), options);

  const host = labelled("directory.host", "Host", line((draft.get("directory.host") ?? []).join(", "), (value) => {
    draft.set("directory.host", separated(value));
    changed();
  }, { placeholder: "dc1.corp.example, dc2.corp.example" }), { required: true, hint: "Name or IP address; several are tried in this order." });
  const domain = text("directory.domain", "Domain", { required: true, hint: "Its controllers are found by DNS." }, { placeholder: "corp.example" });
  const site = text("directory.site", "Site", { hint: "auto asks the controllers; off takes none into account." }, { placeholder: "auto" });
  const byDomain = el("div", { class: "fields" }, domain.element, site.element);
  const found = choice(null, "How controllers are found", [["host", "By host"], ["domain", "By domain"]], draft.get("directory.domain") ? "domain" : "host", (value) => {
    finding = value;
    // What stands in the other field stays there, and is not sent.
    draft.set("directory.host", value === "host" ? separated(host.control.value) : []);
    draft.set("directory.domain", value === "domain" ? domain.control.value.trim() : null);
    changed();
  });
  let finding = draft.get("directory.domain") ? "domain" : "host";

  const transport = labelled("directory.transport", "Transport", select(TRANSPORTS, draft.get("directory.transport") ?? "ldaps", set("directory.transport")), { required: true });
  const port = labelled("directory.port", "Port", line(draft.get("directory.port"), (value) => {
    draft.set("directory.port", /^\d+$/.test(value) ? Number(value) : value);
    changed();
  }, { inputmode: "numeric", maxlength: 5 }), {});
  const auth = choice("directory.auth", "Method", [
    ["simple", "Account and password"],
    ["kerberos", "Kerberos", "with the keytab or the tickets of the service"],
  ], draft.get("directory.auth") ?? "simple", set("directory.auth"));
  const bind = text("directory.bindDn", "Bind DN", { required: true, hint: "DN, user@domain or DOMAIN\\user of an account that may read." }, { autocomplete: "username", placeholder: "svc-etm@corp.example" });
  const password = passwordField(draft, () => changed());
  const certificate = certificateField(draft, () => changed());
  const pins = labelled("directory.certificateSha256", "Pinned certificates", lines((draft.get("directory.certificateSha256") ?? []).join("\n"), (value) => {
    draft.set("directory.certificateSha256", separated(value));
    changed();
  }, { rows: 2, class: "code" }), { hint: "SHA-256 of a controller’s certificate, one a line; HOST= before it is for that host alone. A pinned certificate needs no CA." });
  const server = text("directory.serverName", "Name in the certificate", { hint: "Where the host is an IP address." });
  const uuid = text("upstream.connectorUuid", "Connector UUID", { hint: "From the Qualys console. Without one, that of the service counts." }, { class: "code" });
  const source = text("upstream.source", "Source", {}, { placeholder: "Microsoft Active Directory" });
  const own = text("name", "Name", { required: true, hint: "Letters, digits, “-”, “_” and “.”; shown everywhere." }, { maxlength: 64, placeholder: "head-office" });
  // The service has a name for one that has none, which is hardly meant here.
  const named = () => {
    if (draft.get("name")) return true;
    own.mark({ reason: "a name is needed", remedy: "type one" });
    own.focus();
    return false;
  };
  const test = testPanel({ draft, name, named, refused, unmark });

  const fields = [
    own,
    text("description", "Description", {}, { spellcheck: "true", maxlength: 256 }),
    host, domain, site, transport, port, auth, bind, password, certificate, pins, server, uuid, source,
  ];

  function changed() {
    const encrypted = transport.control.value !== "ldap";
    host.element.hidden = finding !== "host";
    byDomain.hidden = finding !== "domain";
    port.control.placeholder = transport.control.value === "ldaps" ? "636" : "389";
    certificate.element.hidden = !encrypted;
    more.hidden = !encrypted;
    plain.hidden = encrypted;
    const kerberos = draft.get("directory.auth") === "kerberos";
    bind.element.hidden = kerberos;
    password.element.hidden = kerberos;
    if (draft.secretNeeded) password.mark({ reason: "the address or the trust changed, so the password is needed again", remedy: "type it" });
    else if (password.element.querySelector(".mistake").textContent.startsWith("the address or the trust")) password.mark(null);
    test.changed();
    told();
  }
  const plain = el("p", { class: "hint warn" }, "The password and everything that is read cross the network unencrypted.");
  const more = el("details", { class: "more" }, el("summary", {}, "Pins and the name in the certificate"), el("div", { class: "fields" }, pins.element, server.element));
  if (draft.get("directory.serverName") || draft.get("directory.certificateSha256")?.length > 0) more.open = true;
  const element = el("div", { class: "stack" },
    el("div", { class: "fields two" }, own.element, fields[1].element),
    el("section", { class: "group", "aria-label": "Directory" }, el("h3", {}, "Directory"),
      found.element, host.element, byDomain,
      el("div", { class: "fields two" }, transport.element, port.element), plain),
    el("section", { class: "group", "aria-label": "Authentication" }, el("h3", {}, "Authentication"),
      auth.element, el("div", { class: "fields two" }, bind.element, password.element), certificate.element, more),
    el("section", { class: "group", "aria-label": "Qualys ETM" }, el("h3", {}, "Qualys ETM"),
      el("div", { class: "fields two" }, uuid.element, source.element)),
    test.element);
  changed();
  return {
    title: "Basic Details",
    element,
    fields,
    /** A reason not to go on, or null. */
    missing: () => (named() ? test.missing() : { text: "The connection needs a name.", focus: () => own.focus() }),
    standing: () => test.standing(),
    close: () => test.close(),
  };
}
