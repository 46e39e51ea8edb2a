import { disable, isDisabled, Kernel, make, tell, unique, write } from "./shared.js";

// The password and the token are in their fields only, and in the one message that is sent: never in a trait.

class LoginView {
  #urlEdited = false;
  #userEdited = false;
  #wasBusy = false;

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => this.#updateLocks());
    this.#build();
    this.form.addEventListener("submit", (event) => this.#onSubmit(event));
    this.url.addEventListener("input", () => (this.#urlEdited = true));
    this.username.addEventListener("input", () => (this.#userEdited = true));
    for (const radio of [this.byPassword, this.byToken]) radio.addEventListener("change", () => this.#updateWay());
    el.classList.add("hitl-host");
    el.append(this.root);
    this.onState = () => this.update();
    model.on("change:state", this.onState);
    this.#updateWay();
    this.update();
  }

  #build() {
    const id = unique();
    this.root = make("div", "hitl-login");
    this.form = make("form");
    this.form.setAttribute("aria-label", "Log in to Airflow");
    this.form.append(make("div", "hitl-title", "Log in to Airflow"));
    this.url = this.#field(this.form, `${id}-url`, "Address of Airflow", "url", "url");
    this.url.placeholder = "http://localhost:8080";
    this.url.required = true;
    const choice = make("fieldset", "hitl-login-way");
    choice.append(make("legend", "hitl-label", "Log in with"));
    this.byPassword = this.#radio(choice, `${id}-way`, "User name and password");
    this.byToken = this.#radio(choice, `${id}-way`, "Token");
    this.byPassword.checked = true;
    this.form.append(choice);
    this.names = make("div", "hitl-login-pair");
    this.username = this.#field(this.names, `${id}-user`, "User name", "text", "username");
    this.password = this.#field(this.names, `${id}-password`, "Password", "password", "current-password");
    this.tokens = make("div", "hitl-login-pair");
    this.token = this.#field(this.tokens, `${id}-token`, "Token", "password", "off");
    this.problem = make("div", "hitl-notice error");
    this.problem.setAttribute("role", "alert");
    this.problemText = make("span");
    this.problem.append(this.problemText);
    this.button = make("button", "hitl-button strong plain", "Log in");
    this.button.type = "submit";
    this.status = make("span", "hitl-form-status");
    this.status.setAttribute("role", "status");
    const bar = make("div", "hitl-form-bar");
    bar.append(this.button, this.status);
    const kept = "What you type here is sent to the kernel once and never saved in the notebook.";
    this.form.append(this.names, this.tokens, this.problem, bar, make("div", "hitl-meta", kept));
    this.root.append(this.form);
  }

  #field(parent, id, label, type, autocomplete) {
    const field = make("div", "hitl-field");
    const name = make("label", "hitl-label", label);
    const input = make("input");
    name.htmlFor = input.id = id;
    input.type = type === "url" ? "text" : type; // "url" would refuse "localhost:8080" in words of its own
    if (type === "url") input.inputMode = "url";
    input.autocomplete = autocomplete;
    input.spellcheck = false;
    input.autocapitalize = "off";
    field.append(name, input);
    parent.append(field);
    return input;
  }

  #radio(parent, name, text) {
    const label = make("label", "hitl-choice");
    const radio = make("input");
    radio.type = "radio";
    radio.name = name;
    label.append(radio, make("span", "", text));
    parent.append(label);
    return radio;
  }

  remove() {
    this.#forget();
    this.kernel.close();
    this.model.off("change:state", this.onState);
    this.root.remove();
  }

  update() {
    const state = this.model.get("state") ?? {};
    const active = this.root.ownerDocument.activeElement;
    const hadFocus = this.root.contains(active);
    if (!this.#urlEdited) this.url.value = state.url ?? "";
    if (!this.#userEdited) this.username.value = state.username ?? "";
    this.root.hidden = !state.shown;
    if (!state.shown) this.#forget();
    write(this.problemText, state.problem ?? "");
    this.problem.hidden = !state.problem;
    this.#updateLocks();
    if (hadFocus && !state.shown) tell(this.root, ".hitl-list", "hitl:focus");
    // The next thing to do after a failure is to type the secret again.
    if (hadFocus && this.#wasBusy && !state.busy && state.problem) (this.#withToken ? this.token : this.password).select();
    this.#wasBusy = Boolean(state.busy);
  }

  get #withToken() {
    return this.byToken.checked;
  }

  #updateWay() {
    this.names.hidden = this.#withToken;
    this.tokens.hidden = !this.#withToken;
    for (const input of [this.username, this.password]) input.required = !this.#withToken;
    this.token.required = this.#withToken;
  }

  #updateLocks() {
    if (!this.status) return;
    const state = this.model.get("state") ?? {};
    const off = Boolean(state.busy) || this.kernel.awaits("login");
    disable(this.button, off);
    for (const input of [this.url, this.username, this.password, this.token]) input.readOnly = off;
    for (const radio of [this.byPassword, this.byToken]) radio.disabled = off;
    const text = state.busy || this.kernel.delay("login");
    write(this.status, text);
    this.status.classList.toggle("is-busy", Boolean(text));
  }

  #onSubmit(event) {
    event.preventDefault();
    if (isDisabled(this.button)) return;
    const token = this.#withToken;
    this.kernel.send({
      do: "login",
      url: this.url.value.trim(),
      username: token ? "" : this.username.value,
      password: token ? "" : this.password.value,
      token: token ? this.token.value.trim() : "",
    });
  }

  #forget() {
    this.password.value = this.token.value = "";
  }
}

function render({ model, el }) {
  const view = new LoginView(model, el);
  return () => view.remove();
}

export default { render };
