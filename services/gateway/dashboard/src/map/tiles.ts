/**
 * Where each region's tile stands, and names short enough for it.
 *
 * Column and row keep most neighbours next to each other. A tilde marks where a long name may break.
 */
import type { Language } from "../i18n/language.ts";

interface Tile {
  readonly code: string;
  readonly column: number;
  readonly row: number;
  readonly name: Record<Language, string>;
  /** For the narrowest screens. */
  readonly brief: Record<Language, string>;
}

function tile(code: string, column: number, row: number, name: string, brief: string): Tile {
  const [kk = "", ru = "", en = ""] = name.replaceAll("~", "\u00ad").split("|");
  const [kkBrief = "", ruBrief = "", enBrief = ""] = brief.split("|");
  return { code, column, row, name: { kk, ru, en }, brief: { kk: kkBrief, ru: ruBrief, en: enBrief } };
}

export const COLUMNS = 7;
export const ROWS = 5;

export const TILES: readonly Tile[] = [
  tile("KZ-27", 0, 1, "Батыс Қазақстан|Западно-Казах~станская|West Kazakhstan", "БҚО|ЗКО|W.Kz"),
  tile("KZ-23", 0, 2, "Атырау|Атырау~ская|Atyrau", "Атр|Атр|Aty"),
  tile("KZ-47", 0, 3, "Маңғыс~тау|Мангис~тауская|Mangy~stau", "Маң|Ман|Man"),
  tile("KZ-15", 1, 2, "Ақтөбе|Актюбин~ская|Aktobe", "Ақт|Акт|Akt"),
  tile("KZ-39", 2, 1, "Қостанай|Костанай~ская|Kostanay", "Қос|Кос|Kos"),
  tile("KZ-43", 2, 3, "Қызыл~орда|Кызылор~динская|Kyzyl~orda", "Қыз|Кыз|Kyz"),
  tile("KZ-59", 3, 0, "Солтүс~тік Қазақстан|Северо-Казах~станская|North Kazakhstan", "СҚО|СКО|N.Kz"),
  tile("KZ-11", 3, 1, "Ақмола|Акмо~линская|Akmola", "Ақм|Акм|Akm"),
  tile("KZ-62", 3, 2, "Ұлытау|Ұлытау|Ulytau", "Ұлы|Ұлы|Uly"),
  tile("KZ-61", 3, 3, "Түркіс~тан|Туркес~танская|Turkistan", "Түр|Тур|Tur"),
  tile("KZ-79", 3, 4, "Шым~кент|Шым~кент|Shymkent", "Шым|Шым|Shy"),
  tile("KZ-71", 4, 1, "Астана|Астана|Astana", "Аст|Аст|Ast"),
  tile("KZ-35", 4, 2, "Қара~ғанды|Караган~динская|Kara~ganda", "Қар|Кар|Kar"),
  tile("KZ-31", 4, 3, "Жамбыл|Жамбыл~ская|Zhambyl", "Жам|Жам|Zha"),
  tile("KZ-55", 5, 1, "Павлодар|Павлодар~ская|Pavlodar", "Пав|Пав|Pav"),
  tile("KZ-10", 5, 2, "Абай|Абай|Abai", "Аба|Аба|Aba"),
  tile("KZ-19", 5, 3, "Алматы облысы|Алма~тинская|Almaty Region", "А.о.|А.о.|A.R."),
  tile("KZ-75", 5, 4, "Алматы|Алматы|Almaty", "Алм|Алм|Alm"),
  tile("KZ-63", 6, 2, "Шығыс Қазақстан|Восточно-Казах~станская|East Kazakhstan", "ШҚО|ВКО|E.Kz"),
  tile("KZ-33", 6, 3, "Жетісу|Жетісу|Zhetisu", "Жет|Жет|Zhe"),
];
