"""Workbooks as spreadsheet programs write them, as far as a reader looks at them."""

import base64
import datetime as dt
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

Sheets = Mapping[str, Sequence[Sequence[object]]]

XLS = zlib.decompress(
    base64.b85decode(
        "c-rk)O=uHA6#izDG(RM55)+{nN+`5yZ4Tl^gm$Y|TOlb`4^<H~HG7asB1t^xL8~=KLGYw_DOAA-RWJUa"
        "2L%rvgo+*nK}Zz5coGymv{~Q0-K}Yj(0~?N_FLx7n>X{`yq%dhGrMnQL*=OlZ51p*9~`LaUNqIn1SPLk"
        "2!iT$U9wj0p`_bbRq%RfBAZ-z8hGuNb13J#0tNS-FNgx4C>_OV3}-W1Yz484eMkxELoZQ*n<QyQD|;1Y"
        "dV=XXruVqzGp7A4xx%!U+Lpx;%&NoP+s##cNa^6ZW=Ok_Smy&vwjzpGaur{=DvY)+?981^omwju?M^?Y"
        "K{Gw5Wwe|uM{!HW@?k<enT!t%#D<1;B$H)CXe~_RhaLmITS5OkX3JMrE<p01i{<XW$UQWb_2k|<@@t9{"
        "n1FtqW2=Y&5>8p;LPATW^K*z33r-Xm`_i;894w>?XY#amcIUKIK}$P;(QJma64`vgC(j1nOM;8`k^sk;"
        "pJ*B_%!fGAg5>Sooo{cGV<YM@mQ3*ZVVp9Z(mUw5C^bmAnQI&iw3{`yFulZ9H!$DEG(v7u-Zc_6nZ1+T"
        "<}%lIQ9s)l@6?So{3hayU-v(5FMd`x6F)OpITx9EuTG(ZMlenK@|i@B=n*%rOFU7nT$nr3N2aZR>`opf"
        "X!@?3M`;V@;bS($)F{c(5ep^794o0UmS~?>d@Kv`D9iSOwdLqIXuJezhH<x4D)~FV^h*m$9SaIu@R=5j"
        "*^wh})G6fs?UxGrlrSF3rnIyEh7UGu*sx*4h7B7wRv(0M!RLFU)4cG@8>QR)uQN}nYX2r#vp9e(Jq7wY"
        "+=C3|Ih<{1{j7&eShmD6b*%q|5~I|64&xYOKgJtgzx3TDYTswsiot&uLXGxcZN$(2-2X3!`Q)V"
    )
)
"""A sheet "Leads" with Id, Status, Created and two rows, as Excel 97 keeps it."""

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"


def xlsx(sheets: Sheets, hidden: Sequence[str] = ()) -> bytes:
    """An Excel workbook; dates are serial numbers shown as dates."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="r{n}"'
        f"{' state=' + quoteattr('hidden') if name in hidden else ''}/>"
        for n, name in enumerate(names, start=1)
    )
    related = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(names) + 1)
    )
    styles = (
        f'<styleSheet xmlns="{_MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="xml"'
        ' ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{related}'
        f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": styles,
    }
    for n, rows in enumerate(sheets.values(), start=1):
        files[f"xl/worksheets/sheet{n}.xml"] = _sheet(rows)
    return _zipped(files)


def _sheet(rows: Sequence[Sequence[object]]) -> str:
    written = "".join(
        f'<row r="{y}">{"".join(_cell(value, x, y) for x, value in enumerate(row))}</row>'
        for y, row in enumerate(rows, start=1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{written}</sheetData></worksheet>'


def _cell(value: object, x: int, y: int) -> str:
    place = f'r="{chr(65 + x)}{y}"'
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        days = (value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
        return f'<c {place} s="1"><v>{days!r}</v></c>'
    if isinstance(value, int | float):
        return f"<c {place}><v>{value!r}</v></c>"
    return f'<c {place} t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'


def ods(sheets: Sheets) -> bytes:
    """An OpenDocument spreadsheet."""
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>"
        + "".join(
            f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows
        )
        + "</table:table>"
        for name, rows in sheets.items()
    )
    spaces = " ".join(f'xmlns:{name}="{_ODF}{name}:1.0"' for name in ("office", "table", "text"))
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>{tables}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_ODF}manifest:1.0"><manifest:file-entry'
        f' manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    files = {"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content}
    return _zipped(files)


def _ods_cell(value: object) -> str:
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, dt.datetime):
        kind = f'office:value-type="date" office:date-value="{value.isoformat()}"'
    elif isinstance(value, int | float):
        kind = f'office:value-type="float" office:value="{value!r}"'
    else:
        kind = 'office:value-type="string"'
    return f"<table:table-cell {kind}><text:p>{escape(str(value))}</text:p></table:table-cell>"


def _zipped(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()
