/** Puts the page into the document. */
import { mount } from "svelte";
import App from "./App.svelte";
import { applyTheme } from "./theme.ts";

applyTheme();
const target = document.getElementById("page");
if (target) mount(App, { target });
