"""What the words in a column's name mean, in the languages that CRMs are sold in: English, German,
French, Spanish, Portuguese, Italian and Dutch.

A name is only a hint: whether a column can play a role is decided by its content, in `roles`. The
exact names that vendors use are in `vendors`.
"""

import re
import unicodedata
from typing import Literal

from winnable.data.autodetect.lexicon import spaced

Concept = Literal[
    "created",
    "closed",
    "won",
    "lost",
    "changed",
    "last",
    "expected",
    "birth",
    "id",
    "record",
    "email",
    "account",
    "owner",
    "source",
    "amount",
    "contact data",
]

_WORDS: dict[Concept, str] = {
    "created": (
        "creat(ed|e|ion|ie|edon|edat)? creado creacion creazione creata? cree criad[oa] criacao"
        " erstell.* angelegt.* anlage(datum)? erfasst.* erfassung.* eingang.* aangemaakt.*"
        " aanmaak.* added entered submitted received inquiry enquiry hinzugefugt.* ajoute.*"
        " anadid[oa] agregad[oa] adicionad[oa] aggiunt[oa] toegevoegd.* ingevoerd.* alta"
        " cadastr.* inserit[oa] inserimento ouvertur.* ouvert.* opened abertura apertura debut"
        " inicio inizio start.* begin.* signup engage.* first erst.* premier.* primer[oa]?"
        " primeir[oa] prim[oa] eerste"
    ),
    "closed": (
        "clos(e|ed|ing|ure) abschlu.* abgeschlossen.* geschlossen.* schliess.* ferme fermeture"
        " clotur.* cierre cerrad[oa] fechamento fechad[oa] conclu.* encerra.* chiusur.* chius[oa]"
        " sluit.* afsluit.* afgesloten gesloten end ended end(e|datum|date) beendet.* finished"
        " fin finali[sz].* fine completed resolved decided decision"
    ),
    "won": (
        "won gewonnen gewinn.* gagne.* ganad[oa] ganh[oa] vint[oa] vincita converted conversion"
        " konvertier.* umwandlung.* converti convertid[oa] convertit[oa] geconverteerd ganhos?"
        " wygran.*"
    ),
    "lost": (
        "lost verloren verlust.* perdue? perte perdid[oa] perda pers[oaie] perdita"
        " disqualif.* rejected przegran.* utracon.*"
    ),
    "changed": (
        "modif.* chang.* updat.* geandert.* anderung.* aktualis.* actuali[sz].* atualiz.*"
        " aggiorn.* maj mise gewijzigd.* wijzig.* bijgewerkt.* write"
    ),
    "last": "last latest recent.* letzt.* zuletzt dernier.* ultim[oa]s? laatst.*",
    "expected": (
        "expected estimated est forecast.* planned due deadline target next upcoming follow.*"
        " erwartet.* voraussicht.* geplant.* fallig.* nachst.* wiedervorlage prevu.* prevision.*"
        " previst[oa] estim.* echeance prochain.* relance vencim.* proxim[oa] prossim[oa]"
        " seguimiento scaden.* verwacht.* geschat.* volgende renewal.* expir.* valid.*"
    ),
    "birth": (
        "birth.* dob geburt.* naissance nacimiento nascimento nascita geboorte.* founded"
        " founding grundung.*"
    ),
    "id": (
        "ids? uid uuid guid key nr no num nummer number numero n code identifi.* .*nummer"
        " kennung schlussel clave cle chave chiave sleutel ref referen.*"
    ),
    "record": (
        "deal lead opportunit.* record prospect case inquiry enquiry transaktion datensatz"
        " vorgang geschaft verkaufschance interessent transaction fiche d?information"
        " enregistrement piste affaire oportunidad.* negocio trato registro transaccion"
        " transacao trattativa affare transazione verkoopkans kans dossier potential"
    ),
    "email": "e_mails? mail correo courriel posta",
    "account": (
        "account company compan.* organi[sz].* firm[ae]n? unternehmen kunden? societe entreprise"
        " compte empresa cuenta conta azienda societa clientes? bedrijf.* klant.* customer"
    ),
    "owner": (
        "owner salesperson sales_(rep|agent|person|executive) assigned assignee responsible"
        " besitzer inhaber zustandig.* verantwortlich.* bearbeiter betreuer vertriebler"
        " proprietaire responsable commercial attribue propietario vendedor comercial asignado"
        " proprietario dono responsavel atribuido assegnatario responsabile venditore"
        " assegnato eigenaar verantwoordelijke toegewezen"
    ),
    "source": (
        "sources? .*quelle origin.* origen origem herkunft herkomst channel canal.* kanal kanaal"
        " fuente fonte procedencia provenienza provenance bron .*bron"
    ),
    "amount": (
        "amount value revenue betrag.* .*wert umsatz summe .*volumen montant valeur prix"
        " importe valor monto precio ingresos valore importo ricavo prezzo bedrag waarde omzet"
    ),
    "contact data": (
        "phone telefon.* telephone tel mobile? movil celular fax zip plz post.* house hausnummer"
        " telefoon.* cellulare"
    ),
}
"""Words of each concept as patterns, "_" for a blank that may be left out and ".*" for any end."""

_PATTERNS = {
    concept: re.compile(
        rf"(?<!\w)(?:{'|'.join(words.split())})(?!\w)".replace(".*", r"\w*").replace("_", " ?")
    )
    for concept, words in _WORDS.items()
}

_PARENTS = {
    *("deal", "deals", "lead", "leads", "opportunity", "opportunities", "contact", "contacts"),
    *("person", "organization", "organisation", "properties", "property", "fields", "attributes"),
}
"""What an export puts before the names of its columns: Pipedrive "Deal - Won time", dlt
"properties__createdate"."""


def folded(name: str) -> str:
    """A column's name as separate words in lower case without accents: "Date de création" is "date
    de creation", "createdDate__c" is "created date"."""
    plain = unicodedata.normalize("NFKD", spaced(name).casefold())
    words = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return words.removesuffix(" c")


def concepts(name: str) -> frozenset[Concept]:
    """What the words of a column's name mean: "Erstellungsdatum" has "created"."""
    words = folded(name)
    return frozenset(concept for concept, words_of in _PATTERNS.items() if words_of.search(words))


def plain_names(name: str) -> tuple[str, ...]:
    """The name without blanks and punctuation, and the same without what an export puts before
    it, the whole name first: "Deal - Won time" is "dealwontime" and "wontime"."""
    words = folded(name).removeprefix("do not modify ").split()
    found = ["".join(words)]
    while len(words) > 1 and words[0] in _PARENTS:
        words = words[1:]
        found.append("".join(words))
    return tuple(found)
