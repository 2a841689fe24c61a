"""Made-up people: surnames nobody prominent bears, joined at random with ordinary first names.

The surnames are coined from words for landscape, weather, birds and plants. Kazakh patronymics are written as one
word (Серікұлы, Серікқызы), Russian ones in their own way; both agree with the person's sex.
"""

# ruff: noqa: SIM905 - a hundred quoted names are harder to read than a line of them

from dataclasses import dataclass

from deploy.demo.network.dice import Dice

_KAZAKH_ROOTS = (
    "Арай Самал Бұлақ Жұлдыз Тұлпар Қыран Көктем Шуақ Нөсер Жусан Алау Өрен Аққу Дала Таңсәр Емен Қайың Жалын Өзен "
    "Көгал Шалғын Ұшқын Серпін Мұнар Ақтау Сәуле Тасқын Бидай Балауса Жазық Қиян Меруерт Отау Өріс Сарқыра Тұма Шыңдау "
    "Інжу Ақсай Кербез Қоңыр Сұңқар"
).split()
_KAZAKH_SURNAMES = tuple(root + ending for ending in ("баев", "беков", "жанов", "тілеуов") for root in _KAZAKH_ROOTS)

_RUSSIAN_SURNAMES = tuple(
    (
        "Берёзочкин Василёчкин Ветрянкин Вечерницын Голубкинцев Долинкин Дождевкин Ежевикин Журавушкин Заринкин "
        "Зорянкин Ивушкинцев Капелькин Каштанкин Ковыльцев Колосинкин Криничкин Ландышкин Листвянкин Лугожинцев "
        "Медуницын Незабудкин Облепихин Одуванчиков Озеринкин Осинничков Перепёлочкин Подсолнухин Полынцев Радужнов "
        "Ракитцев Родничкин Росинкин Рябинкинцев Светлопольцев Синичкинцев Снежинкин Степнячков Тополинкин Туманницын "
        "Утренцев Черёмухинцев Шиповкин Ясеницын Ягодкинцев"
    ).split()
)

_KAZAKH_MEN = tuple(
    (
        "Абзал Азамат Айбек Айдын Айтуар Алмас Арман Арыстан Асқар Ақжол Әділ Әлібек Бауыржан Бекзат Берік Болат Ғалым "
        "Дәурен Дархан Дидар Еркін Ерлан Ерназар Жандос Жасұлан Жомарт Қайрат Қанат Қуаныш Мақсат Марат Медет Мұрат "
        "Мейрам Нұрбол Нұрлан Нұржан Олжас Өмір Райымбек Рүстем Саян Санжар Серік Сұлтан Талғат Темірлан Төлеген Хамит "
        "Шерхан Ықылас Ілияс"
    ).split()
)
_KAZAKH_WOMEN = tuple(
    (
        "Айгерім Айгүл Айнұр Айсұлу Ақбота Ақерке Алтынай Анар Арайлым Аружан Әлия Әсел Балжан Баян Гаухар Гүлмира "
        "Гүлнар Дана Дәмелі Жадыра Жанар Жансая Жібек Зарина Інжу Кәмила Қарлығаш Қымбат Ләззат Мадина Мөлдір Мәншүк "
        "Назгүл Нұргүл Нұрай Перизат Раушан Салтанат Сәуле Толғанай Тоғжан Ұлжан Үміт Фариза Хадиша Шолпан Шынар Ырысты"
    ).split()
)
_PATRONYMIC_STEMS = {
    "Алексей": "Алексеев",
    "Андрей": "Андреев",
    "Антон": "Антонов",
    "Виктор": "Викторов",
    "Вадим": "Вадимов",
    "Глеб": "Глебов",
    "Денис": "Денисов",
    "Евгений": "Евгеньев",
    "Иван": "Иванов",
    "Игорь": "Игорев",
    "Кирилл": "Кириллов",
    "Максим": "Максимов",
    "Михаил": "Михайлов",
    "Николай": "Николаев",
    "Олег": "Олегов",
    "Павел": "Павлов",
    "Пётр": "Петров",
    "Роман": "Романов",
    "Сергей": "Сергеев",
    "Степан": "Степанов",
    "Тимофей": "Тимофеев",
    "Фёдор": "Фёдоров",
    "Юрий": "Юрьев",
    "Ярослав": "Ярославов",
}
_RUSSIAN_MEN = tuple(_PATRONYMIC_STEMS)
_RUSSIAN_WOMEN = tuple(
    (
        "Алина Анастасия Анна Вера Виктория Галина Дарья Екатерина Елена Жанна Зоя Инна Ирина Ксения Лариса Любовь "
        "Людмила Марина Мария Надежда Наталья Нина Оксана Ольга Полина Раиса Светлана София Тамара Татьяна Ульяна Юлия"
    ).split()
)

_LATIN = dict(zip("абвгғдеёзийкқлмнңопрстуұүфхһыіәөэ", "abvggdeeziikqlmnnoprstuuufhhyiaoe", strict=True)) | {
    "ж": "zh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ю": "yu", "я": "ya", "ь": "", "ъ": "",
}  # fmt: skip


def latin(text: str) -> str:
    """A plain Latin spelling, as people make for their e-mail address."""
    return "".join(_LATIN.get(letter, letter) for letter in text.lower())


@dataclass(frozen=True, slots=True)
class Kin:
    """What the members of a family share: the way they are named, and the surname in its male form."""

    kazakh: bool
    surname: str

    def surname_of(self, *, male: bool) -> str:
        return self.surname if male else self.surname + "а"

    def patronymic(self, father: str, *, male: bool) -> str:
        if self.kazakh:
            return father + ("ұлы" if male else "қызы")
        return _PATRONYMIC_STEMS[father] + ("ич" if male else "на")


class Names:
    """Draws names from the parts above."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    def kin(self, kazakh_share: float) -> Kin:
        kazakh = self._dice.chance(kazakh_share)
        return Kin(kazakh, self._dice.pick(_KAZAKH_SURNAMES if kazakh else _RUSSIAN_SURNAMES))

    def given(self, kin: Kin, *, male: bool) -> str:
        if kin.kazakh:
            return self._dice.pick(_KAZAKH_MEN if male else _KAZAKH_WOMEN)
        return self._dice.pick(_RUSSIAN_MEN if male else _RUSSIAN_WOMEN)

    def full(self, kin: Kin, *, male: bool, given: str | None = None, father: str | None = None) -> str:
        """Surname, given name, patronymic: the order of documents."""
        given = given or self.given(kin, male=male)
        father = father or self.given(kin, male=True)
        return f"{kin.surname_of(male=male)} {given} {kin.patronymic(father, male=male)}"
