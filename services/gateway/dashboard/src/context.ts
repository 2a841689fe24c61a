/** The one Dashboard, handed to every part of the page. */
import { createContext } from "svelte";
import type { Dashboard } from "./live/store.svelte.ts";

export const [getBoard, setBoard] = createContext<Dashboard>();
