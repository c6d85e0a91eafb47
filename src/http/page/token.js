// The token that changes need: asked for when it is, and shown in the header whether this tab has one.

import { token } from "./api.js";
import { announce, el, put } from "./dom.js";

/** A browser that was let in by password (beyond loopback) sends that by itself; on loopback nobody asked yet. */
const open = /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(location.hostname);

/** Asks for the token; gives whether there is one now. `why` says what it is needed for. */
export function askForToken(why) {
  const field = el("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-why" });
  const dialog = el("dialog", { class: "ask", "aria-labelledby": "token-title" });
  return new Promise((resolve) => {
    const given = (event) => {
      event.preventDefault();
      token.set(field.value.trim());
      dialog.close();
    };
    const form = el("form", { submit: given },
      el("h2", { id: "token-title" }, "Token"),
      el("p", { id: "token-why" }, why, " It is the value of ", el("code", {}, "HTTP_TOKEN"), ", kept in this tab until it is closed."),
      el("label", { for: "token" }, "Token"),
      field,
      el("div", { class: "buttons" },
        el("button", { type: "button", click: () => dialog.close() }, "Cancel"),
        el("button", { class: "primary" }, "Use it")));
    dialog.append(form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(Boolean(field.value && token.get()));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Does what needs the token: asks for it before where nobody did yet, and again when it was refused. Gives what `act`
 * gives, or undefined when the viewer has none.
 */
export async function withToken(why, act) {
  if (open && !token.get() && !(await askForToken(why))) return undefined;
  for (;;) {
    const wrong = token.get() !== null;
    try {
      return await act();
    } catch (error) {
      if (error.status !== 401) throw error;
      token.set(null);
      if (!(await askForToken(wrong ? `The service refused that token. ${why}` : why))) return undefined;
    }
  }
}

/** The button in the header. */
export function tokenButton(button) {
  const show = () => {
    const has = token.get() !== null;
    put(button, has ? "Forget token" : "Enter token");
    button.title = has ? "This tab may ask for changes" : "Changes need the token";
  };
  button.addEventListener("click", async () => {
    if (token.get()) {
      token.set(null);
      announce("Token forgotten");
    } else if (await askForToken("Changes need the token.")) {
      announce("Token kept in this tab");
    }
  });
  document.addEventListener("token", show);
  show();
}
