/** What runs on every page. */
import * as controls from "./controls.js";
import * as dialogs from "./dialogs.js";
import * as forms from "./forms.js";
import * as live from "./live.js";
import * as stop from "./stop.js";
import * as times from "./times.js";
import * as toasts from "./toasts.js";

for (const module of [times, toasts, dialogs, forms, controls, live, stop]) module.setUp();
