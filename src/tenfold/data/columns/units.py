"""Numbers with something around them: a currency before, a unit after (`3.3 kg`, `12 %`, `$1,200.00`)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from tenfold.data.columns.characters import ascii_digits
from tenfold.data.columns.numbers import BLANKS, is_number

_SIGNS = "$\u00a2\u00a3\u00a4\u00a5\u0e3f\u20a0-\u20bf"
_WORDS_OF_CODES = (
    "AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR JPY KES KRW MXN MYR "
    "NGN NOK NZD PEN PHP PKR PLN RMB RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR Rs Fr kr z\u0142 K\u010d Ft "
)
_CODES = tuple(_WORDS_OF_CODES.split())
# Units that may stand right behind the digits. Any other word needs a blank: 12A may be a flat, 3 apples are three.
_WORDS_OF_UNITS = (
    "% \u2030 \u00b0 \u00b0C \u00b0F C F K k M B bn mn mio T kg g mg ug \u00b5g \u03bcg lb lbs oz t st km m dm cm "
    "mm um \u00b5m \u03bcm nm mi mile miles ft in inch inches yd yds ha ac acre acres l L dl dL cl cL ml mL ul "
    "\u00b5l gal qt pt s sec secs ms us \u00b5s ns min mins h hr hrs hour hours d day days wk wks week weeks "
    "month months mo mos y yr yrs year years a cal kcal J kJ MJ W kW MW GW Wh kWh MWh GWh V mV kV A mA Ah mAh Hz "
    "kHz MHz GHz Pa hPa kPa MPa bar mbar psi atm mmHg N kN Nm mol mmol umol \u00b5mol IU U bit bits byte bytes kB "
    "KB MB GB TB KiB MiB GiB px dpi ppm ppb dB dBm hp PS bhp rpm mph kph kmh km/h mpg kmpl cc CC fps Mbps Gbps "
    "kbps lm lx cd x X pcs pc pp bp bps sq fl sqft sqm hectares people persons mW Mb kb Gb Mg "
)
_UNITS = frozenset(_WORDS_OF_UNITS.split())
_FOLDED = [word.casefold() for word in _UNITS]
_CASED = frozenset(word for word in _FOLDED if _FOLDED.count(word) > 1)  # mW and MW are two
_FEET_AND_INCHES = "'\"\u2032\u2033"
_ORDINALS = ("st", "nd", "rd", "th")
_BEFORE = rf"(?:[A-Z]{{0,3}}[{_SIGNS}]|(?:{'|'.join(_CODES)})\.?)"
_CURRENCY = re.compile(_BEFORE)
_NUMBER = rf"(?:[0-9](?:[0-9.,'\u2019{BLANKS}]*[0-9])?[.,]?|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?"
_AROUND = re.compile(
    rf"(?P<open>\(?)(?P<sign>[-+]?)(?P<before>{_BEFORE})?\s?(?P<inner>(?<![-+])[-+])?(?P<number>{_NUMBER})"
    r"(?P<blank>\s*)(?P<after>[^\W\d_][^\s,;:()<>=~\"'+-]*(?: [^\W\d_]+)?|[^\w\s.,;:()<>=~\"'+#*&/-][\w/]*"
    rf"|[{_FEET_AND_INCHES}])?"
    r"(?P<close>\)?)"
)


@dataclass(frozen=True)
class Dressed:
    """A number as it is written without what stands around it, and what does."""

    number: str
    before: str
    after: str

    @property
    def unit(self) -> tuple[str, str]:
        """What must be equal in two cells of one column: the plural of a unit is that unit, and so is another letter
        case of most; 1st is counted as 2nd is; a currency may stand on either side."""
        word = self.after
        if word in _ORDINALS:
            return self.before, "th"
        if not self.before and _CURRENCY.fullmatch(word):
            return word, ""
        if len(word) < 2 or word.casefold() in _CASED:
            return self.before, word
        word = word.casefold()
        return self.before, word[:-1] if len(word) > 2 and word.endswith("s") and word.isalpha() else word


def dressed(cell: str) -> Dressed | None:
    """A cell taken apart; None unless it is one number with a currency before it, or a unit after it, or both."""
    match = _AROUND.fullmatch(ascii_digits(cell))
    if match is None:
        return None
    before, after = (match["before"] or "").rstrip("."), (match["after"] or "").rstrip(".")
    if not (before or after) or bool(match["open"]) != bool(match["close"]):
        return None
    if after and not is_unit(after, blank=bool(match["blank"])):
        return None
    sign = match["sign"] or match["inner"] or ""
    if match["open"]:  # ($5) in books is -5; with a sign inside it would be two
        if sign:
            return None
        sign = "-"
    number = sign + match["number"]
    return Dressed(number, before, after) if is_number(number) or is_number(number, ",") else None


def is_unit(after: str, *, blank: bool) -> bool:
    """Whether this may be the unit of a number. blank: whether it stands apart from the digits."""
    if _CURRENCY.fullmatch(after) or after in _UNITS or after in _ORDINALS or after.casefold() in _FOLDED:
        return True
    if len(after) == 1 and (after in _FEET_AND_INCHES or unicodedata.category(after) == "So"):  # So: stars
        return True
    if blank and after.isalpha():
        return len(after) <= 20
    parts = [part.rstrip("23\u00b2\u00b3") for part in re.split(r"[/\u00b7 ]", after)]
    return all(part in _UNITS or (blank and " " not in after and part.isalpha()) for part in parts)


def undress(cells: list[str]) -> tuple[Dressed, list[str]] | None:
    """The numbers of these cells without their one unit, and the first cell taken apart; None where a cell has none,
    or another one."""
    first = dressed(cells[0])
    if first is None:
        return None
    numbers: list[str] = []
    start, end = len(first.before), len(first.after)
    for cell in cells:
        # Most cells have the unit as the first has it; whether the rest is a number is asked of all at once.
        rest = cell[start : len(cell) - end].strip(" ")
        if rest[:1].isdigit() and cell.startswith(first.before) and cell.endswith(first.after):
            numbers.append(rest)
            continue
        found = dressed(cell)
        if found is None or found.unit != first.unit:
            return None
        numbers.append(found.number)
    return first, numbers
