"""The English texts of the page about mappings. Meanings of fields, transforms and functions come from the code."""

from collections.abc import Mapping

PAGE = """\
# Mappings

A mapping says which Personio attribute goes into which field of the Declaree account. Each connection has its own mapping,
numbered by version. A new connection starts with the first mapping below. Deutsch: [mappings.de.md](mappings.de.md).

    personio-declaree mapping attributes ID
    personio-declaree mapping fields ID
    personio-declaree mapping export ID --yaml > mapping.yaml
    personio-declaree mapping lint mapping.yaml
    personio-declaree mapping import ID mapping.yaml --draft
    personio-declaree mapping preview ID
    personio-declaree mapping publish ID

A document is JSON or YAML. If it is invalid, the command prints each problem with its rule and place, and changes nothing. A draft
changes nothing either. A published mapping is the next version, and never changes. If it reads further attributes, all employees are
polled first. All employees are then resent, and only real differences are written. To go back, run `mapping rollback ID VERSION`.

The mapping of a new connection:

$default_mapping

## Wanted attributes

The product asks Personio only for the *wanted attributes*: first name, last name, e-mail, status, the hire date, and what the
published mapping reads. Nothing else is stored or sent. If a new version no longer reads an attribute, the next poll removes its values.

The value of an attribute can be unknown: the credential does not release it, its value is too large, or the mapping reads it
only since the last poll. The field then stays as it is, and no transform applies. With `on_missing: reject` the employee is
rejected. An empty value is known: `on_missing` decides about the field.

## The document

| Field | Meaning | Default |
| --- | --- | --- |
$document

The defaults of `life_cycle`. Any other status, and an empty one, means `ignore`:

| Status | Intent |
| --- | --- |
$life_cycle

`provision` creates, links or updates the account and enables it. `disable` disables an account that the connection manages. \
`ignore` leaves the account unchanged.

### Scope

| Field | Meaning | Default |
| --- | --- | --- |
$scope

## A rule

| Field | Meaning | Default |
| --- | --- | --- |
$rule

### Targets

Targets are SCIM paths (RFC 7643, RFC 7644 section 3.10). Examples of the core schema are `title`, `preferredLanguage` and
`phoneNumbers[type eq "mobile"].value`. A field of an extension is written as its URN, a colon and the attribute.
`mapping fields ID` lists the targets that Declaree documents, and those that it lists under `/Schemas` of its SCIM address, also of
its own extension. `connections check ID` names the targets that are on neither list, and the values that do not fit. If Declaree's
answer to a write does not contain a field, `people show` names this field: Declaree may not store it.

These fields cannot be targets, in any spelling: $not_mappable and the work e-mail. They come from the employee's id, e-mail \
and status, or Declaree or its administrator sets them. Other e-mail addresses are named by their type, such as `emails[type eq \
"home"].value`. The writer holds to the same rule: an event with such a field is a dead letter.

The manager ("Submits to" in Declaree) has a target of its own. Its value is the Personio id of the manager. The writer replaces
it by the id of the manager's account, as soon as that account exists.

```
$manager
```

### Sources

| Source | Value |
| --- | --- |
$sources

A rule names an attribute by Personio's key. `mapping attributes ID` lists the keys of all attributes that the credential can
read, with their names in Personio. Examples are `first_name` and `position`. The key of a company's own attribute is `dynamic_`
and a number, such as `dynamic_1001`. A part of a nested attribute has a key of its own, such as `office.name`,
`cost_centers.percentage` (a list) or `supervisor.id`.

### Expressions

An expression is written in [CEL](https://cel.dev), the Common Expression Language: `==`, `!=`, `<`, `>`, `+`, `-`, `*`, `/`,
`&&` (and), `||` (or), `!` (not), `in`, and `condition ? value : other value`. Texts are in quotation marks. An attribute is
named by its key. If the key is not a name of letters, digits and underscores, write `attribute("2nd-phone")`. What differs from
CEL:

- An empty attribute is the empty text, and `null` means the same: `middle_name == null` and `middle_name == ""` are both true.
  It can be tested, compared for equality and joined: `first_name + " " + middle_name` gives `Ada`, without a space at the end.
  An operation that is not possible with an empty attribute, such as `weekly_hours > 20`, has an empty result.
- All numbers are decimal numbers: `weekly_hours / 2` is half of the hours. `+` does not join a text and a number:
  write `"Room " + string(room)`.
- A list has the entries `list[0]`, `list[1]` and so on. `list.map(entry, …)`, `list.filter(entry, …)`, `list.all(entry, …)`,
  `list.exists(entry, …)` and `list.exists_one(entry, …)` go through it: at most $max_macros times, and not inside each other.
- An expression has at most $max_expression_length characters and $max_tokens words and symbols ($max_loop_tokens if it goes
  through a list). The values of an employee that it reads have at most $max_input_length characters
  ($max_loop_input_length), and a list $max_input_entries entries; an employee with more is rejected.

An attribute that the credential does not show is unknown, not empty: the field then stays as it is (with `on_missing` `reject`, the
employee is rejected), and so does the account if the condition of `scope` reads it. All expressions and patterns together have
$max_seconds s of processor time for an employee; one that takes longer is rejected.

Functions are called as `trim(x)` or as `x.trim()`:

| Function | Gives |
| --- | --- |
$functions

| Expression | Attributes | Result |
| --- | --- | --- |
$expression_examples

### Conditions

`when` says to which employees a rule applies:

| Field | Meaning | Default |
| --- | --- | --- |
$condition

### Transforms

A rule names transforms by `kind`, with the settings that differ from the defaults. They are applied in their order.

A value is empty if it is null, an empty string or an empty list. Every transform except `default` leaves an empty value
unchanged. Each value of a list is transformed separately, except by `join`, `split` and `first`. Transforms of texts leave
numbers and booleans as they are, unless the table says otherwise.

A value has at most $max_characters characters before and after a transform, and a list has at most $max_entries entries. A
complex pattern accepts only shorter texts. A larger value, and one that does not fit a transform, rejects the employee.

| Transform | Meaning |
| --- | --- |
$transforms

#### Settings of transforms

The setting `otherwise` says what happens to a value that does not fit: `keep` keeps the value, `missing` replaces it by an empty
value, so that `default` or `on_missing` decides, and `reject` rejects the employee.

| Transform | Setting | Meaning | Default |
| --- | --- | --- | --- |
$transform_settings

#### Examples of transforms

| Transform | Value | Result |
| --- | --- | --- |
$transform_examples

## A larger example

$larger_mapping

For an employee with these attributes

| Attribute | Value |
| --- | --- |
$employee

the mapping gives this account:

| Field | Value |
| --- | --- |
$account
"""
"""The page. ``page.py`` puts the examples, the rows of the tables and the limits in place of the names that begin with ``$``."""

TEXTS: Mapping[str, str] = {
    "page": PAGE,
    "required": "required",
    "rejected": "rejected: *the value … {problem}*",
    "largest entry": "The entry with the largest number in the list beside it; the first one of several.",
    "account of the manager": "the id of the account of employee {employee}",
}
"""The page and the words of its cells, by the key that the German texts have as well."""
