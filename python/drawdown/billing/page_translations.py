"""The words of the page in other languages, by that of the reader's locale; English where there is none."""

from __future__ import annotations

from typing import Final

from drawdown.billing.page_words import ENGLISH, PageWords

GERMAN: Final = PageWords(
    invoice="Rechnung",
    draft_invoice="Rechnungsentwurf",
    void_invoice="Stornierte Rechnung",
    credit_note="Gutschrift",
    number="Nummer",
    date="Datum",
    account="Konto",
    corrects="Zu Rechnung",
    period="Zeitraum",
    closes_at="Nutzung zählt bis",
    seller="Von",
    buyer="An",
    tax_id="Steuernummer",
    description="Beschreibung",
    quantity="Menge",
    amount="Betrag",
    no_lines="In diesem Zeitraum ist nichts zu bezahlen.",
    gross="Summe der Posten",
    credits_applied="Verrechnete Guthaben",
    subtotal="Zwischensumme",
    total="Gesamtbetrag",
    balance_used="Aus Ihrem Guthaben",
    paid_in_advance="Im Voraus bezahlt",
    due="Zu zahlen",
    paid="Bezahlt",
)
FRENCH: Final = PageWords(
    invoice="Facture",
    draft_invoice="Projet de facture",
    void_invoice="Facture annulée",
    credit_note="Avoir",
    number="Numéro",
    date="Date",
    account="Compte",
    corrects="Concerne la facture",
    period="Période",
    closes_at="Consommation prise en compte jusqu’au",
    seller="De",
    buyer="À",
    tax_id="N° fiscal",
    description="Désignation",
    quantity="Quantité",
    amount="Montant",
    no_lines="Rien à payer pour cette période.",
    gross="Total des lignes",
    credits_applied="Crédits imputés",
    subtotal="Sous-total",
    total="Total",
    balance_used="Prélevé sur votre solde",
    paid_in_advance="Payé d’avance",
    due="À payer",
    paid="Payé",
)
SPANISH: Final = PageWords(
    invoice="Factura",
    draft_invoice="Borrador de factura",
    void_invoice="Factura anulada",
    credit_note="Nota de crédito",
    number="Número",
    date="Fecha",
    account="Cuenta",
    corrects="Rectifica la factura",
    period="Período",
    closes_at="El consumo se incluye hasta",
    seller="De",
    buyer="Para",
    tax_id="N.º fiscal",
    description="Descripción",
    quantity="Cantidad",
    amount="Importe",
    no_lines="No hay nada que pagar en este período.",
    gross="Suma de las líneas",
    credits_applied="Créditos aplicados",
    subtotal="Subtotal",
    total="Total",
    balance_used="De su saldo",
    paid_in_advance="Pagado por adelantado",
    due="A pagar",
    paid="Pagado",
)
_BY_LANGUAGE: Final = {"de": GERMAN, "fr": FRENCH, "es": SPANISH}


def words_for(locale: str) -> PageWords:
    """The words for a locale like ``de_CH``."""
    return _BY_LANGUAGE.get(locale.replace("-", "_").partition("_")[0].lower(), ENGLISH)
