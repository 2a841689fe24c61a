/** Puts the page into the document. */
import { mount } from "svelte";
import App from "./App.svelte";
import { catalogue } from "./i18n/words.ts";
import { Dashboard, readAddress } from "./live/store.svelte.ts";
import { applyTheme } from "./theme.ts";

applyTheme();
const target = document.getElementById("page");
const words = await catalogue(readAddress().language);
if (target) mount(App, { target, props: { board: new Dashboard(words) } });
