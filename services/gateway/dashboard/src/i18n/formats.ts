/**
 * Numbers, money, days and hours as each language prints them.
 *
 * Written out by hand: browsers ship without Kazakh locale data (Chrome prints English shapes for kk-KZ),
 * and the plain page, made in Python, must print the very same text. The tests hold both against full ICU.
 */
import type { Language } from "./language.ts";

const NBSP = "\u00a0";
export const UNKNOWN = "–";
export const TIME_ZONE = "Asia/Almaty";

const GROUP: Record<Language, string> = { kk: NBSP, ru: NBSP, en: "," };
const POINT: Record<Language, string> = { kk: ",", ru: ",", en: "." };
const POWERS: Record<Language, readonly string[]> = {
  kk: ["мың", "млн", "млрд", "трлн"],
  ru: ["тыс.", "млн", "млрд", "трлн"],
  en: ["K", "M", "B", "T"],
};
const MONTHS: Record<Language, readonly string[]> = {
  kk: ["қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым", "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан"],
  ru: ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"],
  en: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
};
/** Russian declines the month after a day; the other two leave it as it is. */
const MONTHS_OF: Record<Language, readonly string[]> = {
  ...MONTHS,
  ru: ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"],
};
const SHORT: Record<Language, readonly string[]> = {
  kk: ["қаң.", "ақп.", "нау.", "сәу.", "мам.", "мау.", "шіл.", "там.", "қыр.", "қаз.", "қар.", "жел."],
  ru: ["янв.", "февр.", "мар.", "апр.", "мая", "июн.", "июл.", "авг.", "сент.", "окт.", "нояб.", "дек."],
  en: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"],
};
const SHORT_ALONE: Record<Language, readonly string[]> = {
  ...SHORT,
  ru: ["янв.", "февр.", "март", "апр.", "май", "июнь", "июль", "авг.", "сент.", "окт.", "нояб.", "дек."],
};

/** A printed number in pieces, so that a tile can set the unit smaller than the number. */
export interface Printed {
  number: string;
  unit: string;
}

/** 16552 → "16 552". */
export function whole(language: Language, value: number): string {
  const digits = Math.abs(Math.round(value)).toString().replace(/\B(?=(\d{3})+$)/g, GROUP[language]);
  return Math.round(value) < 0 ? `-${digits}` : digits;
}

/** 5.25 → "5,3"; a zero after the point is left out. */
export function decimal(language: Language, value: number): string {
  const tenths = Math.round(Math.abs(value) * 10);
  const rest = tenths % 10;
  const sign = value < 0 && tenths > 0 ? "-" : "";
  return sign + whole(language, Math.floor(tenths / 10)) + (rest ? POINT[language] + rest : "");
}

/** Exact up to 99 999; above that one decimal and the name of the power: "850,6" and "млн". */
export function compactParts(language: Language, value: number): Printed {
  if (Math.abs(value) <= 99_999) return { number: whole(language, value), unit: "" };
  const powers = POWERS[language];
  let power = 0;
  let scaled = value / 1000;
  while (Math.round(Math.abs(scaled) * 10) >= 10_000 && power < powers.length - 1) {
    scaled /= 1000;
    power += 1;
  }
  return { number: decimal(language, scaled), unit: powers[power] ?? "" };
}

export function compact(language: Language, value: number): string {
  const { number, unit } = compactParts(language, value);
  return language === "en" || !unit ? number + unit : number + NBSP + unit;
}

/** Whole tenge from tiyn, half a tenge away from zero: "850 640 000 ₸". */
export function money(language: Language, minor: number): string {
  return withTenge(language, whole(language, tenge(minor)));
}

/** "850,6 млн ₸", "₸850.6M"; exact up to 99 999 ₸. */
export function moneyCompact(language: Language, minor: number): string {
  return withTenge(language, compact(language, tenge(minor)));
}

export function moneyParts(language: Language, minor: number): Printed {
  const { number, unit } = compactParts(language, tenge(minor));
  if (language === "en") return { number: withTenge("en", number), unit };
  return { number, unit: unit ? `${unit}${NBSP}₸` : "₸" };
}

function tenge(minor: number): number {
  return Math.sign(minor) * Math.round(Math.abs(minor) / 100);
}

function withTenge(language: Language, text: string): string {
  if (language !== "en") return `${text}${NBSP}₸`;
  return text.startsWith("-") ? `-₸${text.slice(1)}` : `₸${text}`;
}

/** 0.834 → "83,4%", "83,4 %", "83.4%". */
export function percent(language: Language, ratio: number): string {
  return decimal(language, ratio * 100) + (language === "ru" ? `${NBSP}%` : "%");
}

/** Hours served are kept in minutes and shown in whole hours. */
export function hours(minutes: number): number {
  return Math.sign(minutes) * Math.round(Math.abs(minutes) / 60);
}

interface Civil {
  year: number;
  month: number;
  day: number;
}

function civil(day: string): Civil {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return { year, month: month - 1, day: date };
}

/** "2021 ж. 9 мау.", "9 июн. 2021 г.", "9 Jun 2021". */
export function dayShort(language: Language, on: string): string {
  const { year, month, day } = civil(on);
  const name = SHORT[language][month];
  if (language === "kk") return `${year}${NBSP}ж. ${day}${NBSP}${name}`;
  return language === "ru" ? `${day}${NBSP}${name} ${year}${NBSP}г.` : `${day}${NBSP}${name} ${year}`;
}

/** "2021 ж. 9 маусым", "9 июня 2021 г.", "9 June 2021". */
export function dayLong(language: Language, on: string): string {
  const { year, month, day } = civil(on);
  const name = MONTHS_OF[language][month];
  if (language === "kk") return `${year}${NBSP}ж. ${day}${NBSP}${name}`;
  return language === "ru" ? `${day}${NBSP}${name} ${year}${NBSP}г.` : `${day}${NBSP}${name} ${year}`;
}

/** "9 мау.", for axes where the year is written elsewhere. */
export function dayMonth(language: Language, on: string): string {
  const { month, day } = civil(on);
  return `${day}${NBSP}${SHORT[language][month]}`;
}

/** "2021 ж. 7 мау. – 13 мау.", "7 июн. – 13 июн. 2021 г.": the year once when both days share it. */
export function range(language: Language, from: string, to: string): string {
  if (from === to) return dayShort(language, from);
  if (from.slice(0, 4) !== to.slice(0, 4)) return `${dayShort(language, from)} – ${dayShort(language, to)}`;
  if (language === "kk") return `${dayShort("kk", from)} – ${dayMonth("kk", to)}`;
  return `${dayMonth(language, from)} – ${dayShort(language, to)}`;
}

/** "2021 ж. маусым", "июнь 2021 г.", "June 2021". */
export function monthLong(language: Language, on: string): string {
  const { year, month } = civil(on);
  const name = MONTHS[language][month];
  if (language === "kk") return `${year}${NBSP}ж. ${name}`;
  return language === "ru" ? `${name} ${year}${NBSP}г.` : `${name} ${year}`;
}

/** "мау.", "июнь", "Jun". */
export function monthShort(language: Language, on: string): string {
  return SHORT_ALONE[language][civil(on).month] ?? "";
}

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  timeZone: TIME_ZONE,
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

function clockParts(at: number): Record<string, string> {
  return Object.fromEntries(CLOCK.formatToParts(at).map(({ type, value }) => [type, value]));
}

/** The civil day in Almaty at this instant. */
export function dayAt(at: number): string {
  const { year, month, day } = clockParts(at);
  return `${year}-${month}-${day}`;
}

/** "10:42:07" in Almaty; all three languages write hours alike. */
export function timeAt(at: number): string {
  const { hour, minute, second } = clockParts(at);
  return `${hour}:${minute}:${second}`;
}

/** "10:42" in Almaty. */
export function minuteAt(at: number): string {
  return timeAt(at).slice(0, 5);
}
