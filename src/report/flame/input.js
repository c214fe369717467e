// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Mouse, keys and buttons.

Object.assign(Page.prototype, {
  listen() {
    this.listenToPointer();
    this.listenToControls();
    addEventListener("popstate", () => this.restore(location.hash));
    document.addEventListener("keydown", event => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (!this.storedTheme())
        this.setTheme(this.systemTheme());
    });
    // Another screen may have another density: tiles and canvas follow.
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
      this.view.resize();
      this.view.setTheme(this.theme);
    }, {once: true});
  },

  listenToPointer() {
    const canvas = $("graph"), {view} = this;
    const hover = (node, event) => {
      if (node !== view.hovered) {
        view.hovered = node;
        canvas.style.cursor = node < 0 ? "default" : "pointer";
        view.redraw();
        this.showStatus();
      }
      this.showTip(node, event.clientX, event.clientY);
    };
    canvas.addEventListener("pointermove", event => {
      const box = canvas.getBoundingClientRect();
      if (event.pointerType !== "touch")
        hover(view.nodeAt(event.clientX - box.left, event.clientY - box.top), event);
    });
    canvas.addEventListener("pointerleave", event => hover(-1, event));
    $("scroller").addEventListener("scroll", () => { $("tip").hidden = true; }, {passive: true});
    canvas.addEventListener("click", event => {
      const box = canvas.getBoundingClientRect();
      $("tip").hidden = true;
      this.go(view.nodeAt(event.clientX - box.left, event.clientY - box.top));
    });
    for (const type of ["focus", "blur"])
      canvas.addEventListener(type, () => view.redraw());
  },

  listenToControls() {
    const on = (id, action) => $(id).addEventListener("click", action);
    on("back-button", () => this.back());
    on("help-button", () => $("help").showModal());
    on("about-button", () => $("about").showModal());
    on("theme-button", () => this.switchTheme());
    on("clear-button", () => this.escape());
    $("group").addEventListener("change", event => this.regroup(event.target.value, this.idle));
    $("idle").addEventListener("change", event => this.regroup(this.grouping, event.target.checked));
    $("orientation").addEventListener("change", event => {
      this.setFlame(event.target.value === "flame");
      this.remember(false);
    });
    let waiting = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        this.find($("search").value);
        this.remember(false);
      }, 60);
    });
    for (const dialog of [$("help"), $("about")])
      dialog.addEventListener("click", event => event.target === dialog && dialog.close());
  },

  switchTheme() {
    const theme = this.theme === "dark" ? "light" : "dark";
    this.setTheme(theme);
    try {
      localStorage.setItem("homeward-theme", theme);
    } catch {
      // Then it holds for this page only.
    }
  },

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
      return;
    const typing = event.target.matches("input[type=search]");
    if (typing && event.key !== "Escape" && event.key !== "Enter")
      return;
    if (event.target.matches("button, input:not([type=search])") && (event.key === "Enter" || event.key === " " ||
                                                                      event.key.startsWith("Arrow")))
      return;
    const action = this.actionOf(event.key, typing);
    if (!action)
      return;
    event.preventDefault();
    action();
  },

  actionOf(key, typing) {
    if (typing && key === "Escape" && !this.search)
      return () => $("graph").focus();
    if (typing && key === "Enter")
      return () => {
        $("graph").focus();
        this.nextFound(1);
      };
    switch (key) {
      case "ArrowUp": case "ArrowDown": case "ArrowLeft": case "ArrowRight":
        return () => this.focus(this.neighbour(key));
      case "Enter": case " ": return () => this.go(this.view.focused);
      case "Backspace": return () => this.back();
      case "Home": return () => this.go(0);
      case "Escape": return () => this.escape();
      case "/": return () => { $("search").focus(); $("search").select(); };
      case "n": return () => this.nextFound(1);
      case "N": return () => this.nextFound(-1);
      case "i": return () => { this.setFlame(!this.view.flame); this.remember(false); };
      case "1": case "2": case "3": case "4": return () => this.regroup(GROUPINGS[key - 1], this.idle);
      case "a": return () => $("about").showModal();
      case "d": return () => this.switchTheme();
      case "?": return () => $("help").showModal();
      default: return null;
    }
  },
});
