"""The German texts of the page about mappings, for administrators: each with the fingerprint of the English text it translates.

If an English text changes, ``tests/test_docs.py`` names its key and its new fingerprint: correct the German text first.
"""

from collections.abc import Mapping

from docs.generators.mappings.translations import Translation

PAGE = """\
# Zuordnungen

Eine Zuordnung legt fest, welches Attribut aus Personio in welches Feld des Declaree-Kontos kommt. Jede Verbindung hat ihre eigene
Zuordnung, deren Versionen nummeriert sind. Eine neue Verbindung beginnt mit der ersten Zuordnung auf dieser Seite. English:
[mappings.md](mappings.md).

    personio-declaree mapping attributes ID
    personio-declaree mapping fields ID
    personio-declaree mapping export ID --yaml > mapping.yaml
    personio-declaree mapping lint mapping.yaml
    personio-declaree mapping import ID mapping.yaml --draft
    personio-declaree mapping preview ID
    personio-declaree mapping publish ID

Eine Zuordnung ist ein Dokument in JSON oder YAML. Ist es ungültig, nennt der Befehl jedes Problem mit der Regel und der Stelle,
und es ändert sich nichts. Auch ein Entwurf ändert nichts. Eine veröffentlichte Zuordnung wird zur nächsten Version und ändert
sich nie. Liest die neue Version weitere Attribute, werden zuerst alle Mitarbeiter abgefragt. Danach werden die Daten aller
Mitarbeiter erneut gesendet; geschrieben werden nur tatsächliche Unterschiede. Mit `mapping rollback ID VERSION` kehren Sie zu
einer früheren Version zurück.

Die Zuordnung einer neuen Verbindung:

$default_mapping

## Benötigte Attribute

Von Personio werden nur die *benötigten Attribute* abgerufen: Vorname, Nachname, E-Mail, Status, Eintrittsdatum und alles, was die
veröffentlichte Zuordnung liest. Nichts anderes wird gespeichert oder gesendet. Liest eine neue Version ein Attribut nicht mehr,
entfernt die nächste Abfrage seine gespeicherten Werte.

Der Wert eines Attributs kann unbekannt sein: weil das Attribut für die Zugangsdaten nicht freigegeben ist, weil der Wert zu groß
ist, oder weil die Zuordnung das Attribut erst seit der letzten Abfrage liest. Dann bleibt das Feld, wie es ist, und der Wert wird
nicht umgewandelt. Mit `on_missing: reject` wird der Mitarbeiter abgewiesen. Ein leerer Wert ist dagegen bekannt: Was mit dem Feld
geschieht, bestimmt `on_missing`.

## Das Dokument

| Angabe | Bedeutung | Standardwert |
| --- | --- | --- |
$document

Die Standardwerte von `life_cycle`. Für jeden anderen Status und für einen leeren gilt `ignore`:

| Status | Wirkung |
| --- | --- |
$life_cycle

Mit `provision` wird das Konto angelegt, verknüpft oder geändert und aktiviert. Mit `disable` wird ein Konto deaktiviert, das
diese Verbindung verwaltet. Mit `ignore` bleibt das Konto unverändert.

### Geltungsbereich

| Angabe | Bedeutung | Standardwert |
| --- | --- | --- |
$scope

## Eine Regel

| Angabe | Bedeutung | Standardwert |
| --- | --- | --- |
$rule

### Ziele

Das Ziel einer Regel ist ein Feld des Kontos, geschrieben als SCIM-Pfad (RFC 7643; RFC 7644, Abschnitt 3.10). Beispiele aus dem
Kernschema sind `title`, `preferredLanguage` und `phoneNumbers[type eq "mobile"].value`. Ein Feld aus einer Erweiterung beginnt
mit deren URN; danach folgen ein Doppelpunkt und das Attribut. `mapping fields ID` zeigt die Ziele, die Declaree dokumentiert, und
diejenigen, die Ihr Declaree selbst unter `/Schemas` seiner SCIM-Adresse auflistet, auch aus seiner eigenen Erweiterung.
`connections check ID` nennt Ziele, die in beiden Listen fehlen, und Werte, die nicht passen. Enthält die Antwort von Declaree ein
geschriebenes Feld nicht, so nennt `people show` dieses Feld: Vielleicht speichert Declaree es nicht.

Diese Felder können in keiner Schreibweise Ziel einer Regel sein: $not_mappable und die geschäftliche E-Mail-Adresse. Sie ergeben
sich aus Personio-ID, E-Mail und Status des Mitarbeiters oder werden von Declaree oder dessen Administrator festgelegt. Andere
E-Mail-Adressen nennen Sie mit ihrem Typ, etwa `emails[type eq "home"].value`. Auch der Dienst, der die Konten schreibt, hält sich
daran: Ein Ereignis mit einem solchen Feld wird nicht verarbeitet, sondern als Dead Letter abgelegt.

Für die oder den Vorgesetzten („Einreichen an“ in Declaree) gibt es ein eigenes Ziel. Sein Wert ist die Personio-ID der oder des
Vorgesetzten. Sobald diese Person ein Konto hat, wird dessen ID eingesetzt.

```
$manager
```

### Quellen

| Quelle | Wert |
| --- | --- |
$sources

Eine Regel nennt ein Attribut mit seinem Schlüssel aus Personio. `mapping attributes ID` zeigt die Schlüssel aller Attribute, die
mit den Zugangsdaten lesbar sind, und ihre Namen in Personio. Beispiele sind `first_name` und `position`. Der Schlüssel eines
eigenen Attributs Ihrer Firma besteht aus `dynamic_` und einer Zahl, etwa `dynamic_1001`. Die Teile eines zusammengesetzten
Attributs haben eigene Schlüssel, etwa `office.name`, `cost_centers.percentage` (eine Liste) oder `supervisor.id`.

### Ausdrücke

Ein Ausdruck berechnet einen Wert. Er ist in [CEL](https://cel.dev) geschrieben, der Common Expression Language, mit `==`, `!=`,
`<`, `>`, `+`, `-`, `*`, `/`, `&&` (und), `||` (oder), `!` (nicht), `in` und `condition ? value : other value` (der erste Wert,
wenn die Bedingung erfüllt ist, sonst der zweite). Texte stehen in Anführungszeichen. Ein Attribut nennen Sie mit seinem
Schlüssel. Besteht der Schlüssel nicht nur aus Buchstaben, Ziffern und Unterstrichen, so schreiben Sie `attribute("2nd-phone")`.
Anders als sonst in CEL gilt:

- Ein leeres Attribut ist der leere Text, und `null` bedeutet dasselbe: `middle_name == null` und `middle_name == ""` sind dann
  beide wahr. Sie können es prüfen, auf Gleichheit vergleichen und mit Texten verbinden: `first_name + " " + middle_name` ergibt
  `Ada`, ohne Leerzeichen am Ende. Was mit einem leeren Attribut nicht möglich ist, etwa `weekly_hours > 20`, hat ein leeres
  Ergebnis.
- Alle Zahlen sind Dezimalzahlen: `weekly_hours / 2` ist die Hälfte der Stunden. `+` verbindet einen Text nicht mit einer Zahl:
  Schreiben Sie `"Room " + string(room)`.
- Eine Liste hat die Einträge `list[0]`, `list[1]` und so weiter. `list.map(entry, …)`, `list.filter(entry, …)`,
  `list.all(entry, …)`, `list.exists(entry, …)` und `list.exists_one(entry, …)` gehen die Liste durch: höchstens ${max_macros}-mal
  in einem Ausdruck und nicht ineinander verschachtelt.
- Ein Ausdruck hat höchstens $max_expression_length Zeichen und höchstens $max_tokens Wörter und Symbole ($max_loop_tokens, wenn
  er eine Liste durchgeht). Die Werte eines Mitarbeiters, die er liest, haben zusammen höchstens $max_input_length Zeichen
  ($max_loop_input_length, wenn er eine Liste durchgeht), und eine Liste hat höchstens $max_input_entries Einträge. Ein
  Mitarbeiter mit mehr wird abgewiesen.

Ein Attribut, das mit den Zugangsdaten nicht lesbar ist, ist unbekannt und nicht leer: Das Feld bleibt dann, wie es ist (mit
`on_missing` `reject` wird der Mitarbeiter abgewiesen). Liest die Bedingung von `scope` ein solches Attribut, bleibt das ganze
Konto, wie es ist. Alle Ausdrücke und Muster zusammen dürfen für einen Mitarbeiter $max_seconds s rechnen; dauert es länger, wird
er abgewiesen.

Eine Funktion schreiben Sie als `trim(x)` oder als `x.trim()`:

| Funktion | Ergebnis |
| --- | --- |
$functions

| Ausdruck | Attribute | Ergebnis |
| --- | --- | --- |
$expression_examples

### Bedingungen

`when` bestimmt, für welche Mitarbeiter eine Regel gilt:

| Angabe | Bedeutung | Standardwert |
| --- | --- | --- |
$condition

### Umwandlungen

Eine Regel nennt jede Umwandlung mit `kind` und den Einstellungen, die vom Standardwert abweichen. Die Umwandlungen werden in der
Reihenfolge angewendet, in der sie in der Regel stehen.

Ein Wert ist leer, wenn er `null`, ein leerer Text oder eine leere Liste ist. Jede Umwandlung außer `default` lässt einen leeren
Wert unverändert. Von einer Liste wird jeder Wert einzeln umgewandelt, außer mit `join`, `split` und `first`. Umwandlungen von
Texten lassen Zahlen und Wahrheitswerte (`true` und `false`) unverändert, sofern die Tabelle nichts anderes sagt.

Ein Wert hat vor und nach einer Umwandlung höchstens $max_characters Zeichen, eine Liste höchstens $max_entries Einträge. Ein
aufwendiges Muster nimmt nur kürzere Texte an. Ist ein Wert größer oder passt er nicht zur Umwandlung, wird der Mitarbeiter
abgewiesen.

| Umwandlung | Bedeutung |
| --- | --- |
$transforms

#### Einstellungen der Umwandlungen

Die Einstellung `otherwise` bestimmt, was mit einem Wert geschieht, der nicht passt: `keep` behält ihn, `missing` ersetzt ihn
durch einen leeren Wert, sodass `default` oder `on_missing` entscheidet, und `reject` weist den Mitarbeiter ab.

| Umwandlung | Einstellung | Bedeutung | Standardwert |
| --- | --- | --- | --- |
$transform_settings

#### Beispiele für Umwandlungen

Die Meldungen des Produkts sind englisch; sie stehen hier kursiv.

| Umwandlung | Wert | Ergebnis |
| --- | --- | --- |
$transform_examples

## Ein größeres Beispiel

$larger_mapping

Für einen Mitarbeiter mit diesen Attributen

| Attribut | Wert |
| --- | --- |
$employee

ergibt die Zuordnung dieses Konto:

| Feld | Wert |
| --- | --- |
$account
"""
"""The page. ``page.py`` puts the examples, the rows of the tables and the limits in place of the names that begin with ``$``."""

TRANSLATIONS: Mapping[str, Translation] = {
    "page": Translation("38d96b9a", PAGE),
    "required": Translation("d0a36305", "Pflichtangabe"),
    "rejected": Translation("263c684f", "abgewiesen: *the value … {problem}*"),
    "largest entry": Translation(
        "6c2f1d92", "Der Eintrag, zu dem in der zweiten Liste die größte Zahl gehört; bei mehreren der erste."
    ),
    "account of the manager": Translation("d0bb2c3a", "die ID des Kontos von Mitarbeiter {employee}"),
    "MappingDocument.format_version": Translation("c932c573", "Version des Dokumentformats."),
    "MappingDocument.rules": Translation(
        "c78f4a6c", "Die Regeln, eine für jedes Feld. Ein Feld ohne Regel wird nie geschrieben."
    ),
    "MappingDocument.user_name_attribute": Translation(
        "9aebb960",
        "Schlüssel des Attributs mit der E-Mail-Adresse. Die Adresse wird Benutzername und geschäftliche "
        "E-Mail-Adresse des Kontos.",
    ),
    "MappingDocument.external_id_prefix": Translation(
        "07d0043d",
        "Text, der in der External ID vor der Personio-ID steht. Er unterscheidet die IDs mehrerer Firmen, die "
        "dasselbe Declaree verwenden.",
    ),
    "MappingDocument.life_cycle": Translation(
        "882c4fd1",
        "Was bei welchem Status eines Mitarbeiters mit seinem Konto geschieht. Schreiben Sie den Status in "
        "Kleinbuchstaben. Für jeden Status, den das Dokument nicht nennt, gilt der Standardwert.",
    ),
    "MappingDocument.employment": Translation(
        "36a12eed", "Wann Konten beginnen und enden: nach Eintrittsdatum und letztem Arbeitstag."
    ),
    "MappingDocument.withdrawn": Translation(
        "7f90c623",
        "Zurückgezogene Regeln früherer Versionen, deren Werte entfernt werden: Hat ein Feld noch den Wert einer "
        "solchen Regel, wird es geleert. Wurde es seitdem in Declaree geändert, bleibt es, wie es ist. „Einreichen "
        "an“ wird in jedem Fall geleert.",
    ),
    "MappingDocument.scope": Translation(
        "35d4ef29",
        "Welche Mitarbeiter ein Konto haben. Das Konto eines Ausgeschiedenen wird in jedem Fall deaktiviert.",
    ),
    "Scope.only": Translation(
        "e2bb406e",
        'Bedingung in CEL für Mitarbeiter mit Konto, etwa `subcompany.name == "Nordlicht GmbH"`. `null`: alle '
        "Mitarbeiter. Lässt sie sich für einen Mitarbeiter nicht auswerten, weil ein Attribut leer oder unbekannt "
        "ist, bleibt das Konto, wie es ist.",
    ),
    "Scope.otherwise": Translation(
        "28eed5e2",
        "Was mit dem Konto eines Mitarbeiters geschieht, der die Bedingung nicht erfüllt: `ignore` lässt es, wie es "
        "ist, `disable` deaktiviert es.",
    ),
    "Rule.target": Translation("f32f583b", "Feld des Declaree-Kontos, als SCIM-Pfad."),
    "Rule.source": Translation("2598e04d", "Woher der Wert kommt."),
    "Rule.when": Translation("20bcc8bd", "Wann die Regel gilt. `null`: für jeden Mitarbeiter."),
    "Rule.transforms": Translation("c830e3f7", "Umwandlungen des Wertes, in dieser Reihenfolge."),
    "Rule.on_missing": Translation(
        "b0351bf5",
        "Was geschieht, wenn der Wert leer ist: `leave` lässt das Feld in Declaree unverändert, `clear` leert es, "
        "`reject` weist den Mitarbeiter ab. Ist ein Attribut in Personio nicht freigegeben, so ist sein Wert "
        "unbekannt, und es wird nichts geleert.",
    ),
    "Condition.expression": Translation(
        "a381327c", "Die Bedingung in CEL. Die Regel gilt, wenn das Ergebnis wahr ist."
    ),
    "Condition.otherwise": Translation(
        "b5a4b7d8",
        "Was mit dem Feld eines Mitarbeiters geschieht, der die Bedingung nicht erfüllt: `leave` lässt es in Declaree "
        "unverändert, `clear` leert es, `reject` weist den Mitarbeiter ab.",
    ),
    "AttributeSource": Translation("40ac6bdf", "Der Wert eines Attributs aus Personio."),
    "AttributesSource": Translation(
        "8420e12e",
        "Die Werte mehrerer Attribute aus Personio als Liste, in dieser Reihenfolge. Ist ein Wert selbst eine Liste, "
        "so werden ihre Einträge aneinandergereiht.",
    ),
    "ConstantSource": Translation("7492f58f", "Derselbe Wert für alle Mitarbeiter."),
    "ExpressionSource": Translation("ca2d14d6", "Das Ergebnis eines Ausdrucks."),
    "has()": Translation("5c14baf9", "ob der Wert nicht leer ist"),
    "first()": Translation(
        "2497508f", "von mehreren Werten oder von den Einträgen einer Liste der erste, der nicht leer ist"
    ),
    "string()": Translation("79833222", "der Wert als Text, etwa `40` oder `true`"),
    "number()": Translation("c4a6e267", "die Zahl, die ein Text enthält"),
    "round()": Translation(
        "a734520e", "die Zahl, auf eine ganze Zahl oder auf eine Anzahl von Nachkommastellen gerundet"
    ),
    "size()": Translation("81b03d6c", "die Anzahl der Zeichen eines Textes oder der Einträge einer Liste"),
    "lower()": Translation("bd2a42eb", "der Text in Kleinbuchstaben"),
    "upper()": Translation("90e8177c", "der Text in Großbuchstaben"),
    "trim()": Translation("44064d10", "der Text ohne Leerzeichen am Anfang und am Ende"),
    "contains()": Translation("a66ccc76", "ob ein Text einen anderen enthält, oder eine Liste einen Eintrag"),
    "startsWith()": Translation("6527cf8e", "ob ein Text mit einem anderen beginnt"),
    "endsWith()": Translation("b087ef25", "ob ein Text mit einem anderen endet"),
    "matches()": Translation("9140fa0d", "ob ein Muster (ein regulärer Ausdruck, RE2) auf einen Teil des Textes passt"),
    "replace()": Translation("e6cde1a9", "der Text, in dem ein Teil überall durch einen anderen Text ersetzt ist"),
    "substring()": Translation(
        "dbcb6a89", "der Teil eines Textes von einer Stelle bis vor eine andere; die erste Stelle ist 0"
    ),
    "split()": Translation(
        "69668a3c", "die Teile eines Textes zwischen Trennzeichen als Liste, ohne Leerzeichen am Anfang und am Ende"
    ),
    "join()": Translation(
        "c4cf3e94",
        "eine Liste als ein Text, mit einem Trennzeichen zwischen den Einträgen (ohne Angabe: Komma und Leerzeichen)",
    ),
    "Trim": Translation(
        "43aa7359",
        "Entfernt die Leerzeichen am Anfang und am Ende eines Textes. Ein Text nur aus Leerzeichen wird zu einem "
        "leeren Wert.",
    ),
    "Lower": Translation("5a123903", "Schreibt einen Text in Kleinbuchstaben."),
    "Upper": Translation(
        "ff92ffb6", "Schreibt einen Text in Großbuchstaben, nach den Regeln von Unicode: Aus `ß` wird `SS`."
    ),
    "Title": Translation(
        "1cc99357",
        "Schreibt den ersten Buchstaben jedes Wortes groß und alle anderen klein. Ein Bindestrich beginnt ein neues "
        "Wort, ein Apostroph nur nach einem einzelnen Buchstaben: `O'Neil`, aber `Anna's`. Für Wörter wie `von` gibt "
        "es keine Ausnahme.",
    ),
    "Transliterate": Translation(
        "3e21146a",
        "Schreibt einen Text mit den Zeichen von ASCII, also ohne Umlaute und Akzente. Zeichen ohne Entsprechung "
        "entfallen, und aus einem Emoji wird sein Name zwischen Doppelpunkten.",
    ),
    "Default": Translation("ebce01ad", "Ersetzt einen leeren Wert durch einen anderen Wert."),
    "ValueTable": Translation(
        "603642eb",
        "Ersetzt einen Wert durch seinen Eintrag in der Wertetabelle. Der Wert muss genau mit dem Schlüssel "
        "übereinstimmen, auch in den Leerzeichen: Setzen Sie bei Bedarf `trim` davor.",
    ),
    "DateFormat": Translation(
        "65533fa2",
        "Schreibt ein Datum aus Personio, oder das Datum eines Zeitpunkts, als Text. Eine Zahl oder ein Wahrheitswert "
        "ist kein Datum.",
    ),
    "NumberFormat": Translation(
        "9b53c687",
        "Schreibt eine Zahl als Text. Ein Text ist eine Zahl, wenn er wie in JSON geschrieben ist, etwa `1234.5`. Ein "
        "Wahrheitswert ist keine Zahl. Eine Zahl hat höchstens 15 Ziffern vor dem Dezimaltrennzeichen.",
    ),
    "ToNumber": Translation(
        "3f3e5f64",
        "Liest eine Zahl aus einem Text, der nichts anderes enthält. Sie hat höchstens 15 Ziffern. Eine Zahl ohne "
        "Dezimaltrennzeichen wird zu einer ganzen Zahl. Zahlen bleiben, wie sie sind, und ein Wahrheitswert ist keine "
        "Zahl.",
    ),
    "Join": Translation(
        "a96cacfe",
        "Verbindet die Einträge einer Liste zu einem Text. Eine Zahl oder ein Wahrheitswert wird dabei zu Text.",
    ),
    "Split": Translation(
        "c703794c",
        "Teilt einen Text in eine Liste auf. Leerzeichen am Anfang und am Ende der Einträge werden entfernt, ebenso "
        "leere Einträge. Die Einträge einer Liste werden in eine gemeinsame Liste aufgeteilt. Eine Zahl oder ein "
        "Wahrheitswert ist ein Eintrag.",
    ),
    "First": Translation(
        "69ae513a",
        "Wählt den ersten Eintrag einer Liste, der nicht leer ist. Ein einzelner Wert bleibt, wie er ist.",
    ),
    "Extract": Translation(
        "cf91075f",
        "Wählt den ersten Teil eines Textes, auf den ein Muster (ein regulärer Ausdruck) passt. Eine Zahl oder ein "
        "Wahrheitswert wird als Text gelesen, in der Schreibweise von JSON.",
    ),
    "Matching": Translation(
        "d73e0413",
        "Behält die Einträge einer Liste, auf die ein Muster (ein regulärer Ausdruck) passt. Ein einzelner Wert, auf "
        "den es nicht passt, wird leer. Eine Zahl oder ein Wahrheitswert wird als Text verglichen, in der "
        "Schreibweise von JSON.",
    ),
    "Phone": Translation(
        "1b9fc786",
        "Bringt eine Telefonnummer in die internationale Form (E.164). Es passt nur eine gültige Nummer ohne "
        "Buchstaben und ohne Nebenstelle. Eine Nummer, die ohne Pluszeichen mit der Landesvorwahl beginnt, ist "
        "mehrdeutig und passt nicht.",
    ),
    "Iban": Translation(
        "88d75b71",
        "Schreibt eine IBAN in Großbuchstaben und ohne Leerzeichen. Land, Länge und Prüfziffern müssen stimmen.",
    ),
    "LanguageTag": Translation(
        "9ea1c632",
        "Schreibt eine Sprache als Kürzel (BCP 47), mit der dafür festgelegten Groß- und Kleinschreibung. Die Sprache "
        "ist ein Kürzel, etwa `de`, `DE_de` oder `ger`, oder ihr deutscher oder englischer Name. Ein Kürzel besteht "
        "aus Sprache, Schrift und Region.",
    ),
    "Transliterate.german": Translation(
        "7ded40b0",
        "Ob `ä`, `ö`, `ü` wie im Deutschen zu `ae`, `oe`, `ue` werden. Sonst werden sie zu `a`, `o`, `u`. Aus `ß` "
        "wird immer `ss`.",
    ),
    "Default.value": Translation("807c6dac", "Der Wert, der eingesetzt wird."),
    "ValueTable.table": Translation(
        "5195b6d3",
        "Für jeden Wert sein Ersatz. Zahlen und Wahrheitswerte sind wie in JSON geschrieben: `1`, `true`.",
    ),
    "ValueTable.ignore_case": Translation(
        "b03e78d5",
        "Ob ein Wert auch dann mit einem Schlüssel übereinstimmt, wenn sich nur die Groß- und Kleinschreibung "
        "unterscheidet.",
    ),
    "ValueTable.otherwise": Translation(
        "0f47518f",
        "Was mit einem Wert geschieht, der nicht in der Tabelle steht: `keep` behält ihn, `missing` ersetzt ihn durch "
        "einen leeren Wert, `reject` weist den Mitarbeiter ab.",
    ),
    "DateFormat.format": Translation(
        "4dbd3d9f",
        "Muster nach CLDR, etwa `dd.MM.yyyy` oder `d. MMMM yyyy`, oder eines der Wörter `short`, `medium`, `long` und "
        "`full`. Es stehen `y` für das Jahr, `M` und `L` für den Monat, `d` für den Tag, `D` für den Tag des Jahres, "
        "`E` und `c` für den Wochentag, `Q` und `q` für das Quartal. Andere Buchstaben setzen Sie in einfache "
        "Anführungszeichen.",
    ),
    "DateFormat.locale": Translation("1e2de460", "Sprache der Namen und Formate, etwa `de` oder `de_AT`."),
    "NumberFormat.decimals": Translation(
        "d79fd58a", "Anzahl der Nachkommastellen, kaufmännisch gerundet. `null` behält die Stellen der Zahl."
    ),
    "NumberFormat.locale": Translation("4917e9c6", "Sprache und Land der Trennzeichen, etwa `de` oder `de_CH`."),
    "NumberFormat.grouping": Translation("a7486404", "Ob Tausender getrennt werden."),
    "ToNumber.locale": Translation(
        "dde2e473", "Sprache und Land der Trennzeichen im Text, etwa `de`: Dann ist `1.234,5` die Zahl 1234,5."
    ),
    "Join.separator": Translation("621bb6ef", "Text zwischen zwei Einträgen."),
    "Split.separator": Translation("621bb6ef", "Text zwischen zwei Einträgen."),
    "Extract.pattern": Translation(
        "6b98b7f7",
        "Muster: ein regulärer Ausdruck in der Schreibweise von RE2, die weder Look-around noch Rückverweise kennt.",
    ),
    "Extract.group": Translation(
        "0a0e3b93",
        "Nummer oder Name der Gruppe, deren Text gewählt wird. `null` wählt Gruppe 1, oder alles, worauf das Muster "
        "passt, wenn es keine Gruppe hat.",
    ),
    "Extract.otherwise": Translation(
        "0d601101",
        "Was mit einem Wert geschieht, auf den das Muster oder die Gruppe nicht passt: `keep`, `missing` oder "
        "`reject`.",
    ),
    "Matching.pattern": Translation(
        "9c079685",
        "Muster: ein regulärer Ausdruck in der Schreibweise von RE2. Es kann auf einen Teil des Wertes passen: `^` "
        "und `$` stehen für Anfang und Ende.",
    ),
    "Phone.region": Translation("da727d46", "Land der Nummern ohne Landesvorwahl, als zwei Buchstaben (ISO 3166-1)."),
    "Phone.otherwise": Translation(
        "621d5fbf", "Was mit einem Wert geschieht, der nicht passt: `keep`, `missing` oder `reject`."
    ),
    "Iban.otherwise": Translation(
        "8676cd57", "Was mit einem Wert geschieht, der keine IBAN ist: `keep`, `missing` oder `reject`."
    ),
    "LanguageTag.separator": Translation("56b46ee1", "Zeichen zwischen den Teilen des Kürzels."),
    "LanguageTag.region": Translation(
        "dc558be9",
        "`keep` lässt die Region, wie sie ist, `add` ergänzt die wahrscheinlichste Region, wenn das Kürzel keine hat, "
        "`remove` entfernt die Region.",
    ),
    "LanguageTag.otherwise": Translation(
        "19ec4139", "Was mit einem Wert geschieht, der keine bekannte Sprache ist: `keep`, `missing` oder `reject`."
    ),
}
"""The texts by the keys of the English ones."""
