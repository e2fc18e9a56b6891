"""Import what was begun elsewhere: customers, accounts, opening balances, open subscriptions.

Every row is judged first, by the rules here and by the engine itself; then all of it is one transaction,
whose commands follow through the outbox. So a bad row or a crash leaves nothing half done, and what is
there already is left as it is.
"""

from drawdown import errors
from drawdown.model import commands
from drawdown.runtime.control.open_subscription_steps import begin_open, check_open
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.customer import AccountProfile, Customer
from drawdown.subscriptions.identifiers import SIGNUP_PREFIX
from drawdown.subscriptions.opening_rows import (
    IMPORT_ROWS_MAX,
    KINDS,
    ImportOpening,
    Opened,
    OpeningAction,
    OpeningImport,
    OpeningProblem,
    OpeningRow,
    OpenSubscription,
    problem_of,
    understood,
)
from drawdown.subscriptions.starting import has_begun_at


@handles(ImportOpening)
def import_opening(step: Step, request: ImportOpening) -> OpeningImport:
    """All rows, or none and every problem."""
    if len(request.rows) > IMPORT_ROWS_MAX:
        raise errors.InvalidRequestError(
            f"rows: {len(request.rows)} are more than {IMPORT_ROWS_MAX}; import them in several files, "
            "customers and accounts first",
            field="rows",
        )
    trial = _Import(step)
    for kind in (*KINDS, ""):
        for row in request.rows:
            if row.kind == kind or (kind == "" and row.kind not in KINDS):
                trial.take(row)
    trial.ask_the_engine()
    problems = tuple(sorted(trial.problems, key=lambda each: (each.line, each.field)))
    actions = tuple(sorted(trial.actions, key=lambda each: each.line))
    applied = not problems and not request.dry_run
    if applied:
        trial.carry_out()
    return OpeningImport(applied=applied, actions=actions, problems=problems)


class _Import:
    """The rows, understood and judged one by one; then carried out."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.problems: list[OpeningProblem] = []
        self.actions: list[OpeningAction] = []
        self._customers: dict[str, Customer] = {}
        self._accounts: dict[str, str] = {}
        """New accounts and their customers."""
        self._groups: dict[str, list[tuple[OpeningRow, commands.Command]]] = {}
        self._subscriptions: dict[str, OpenSubscription] = {}
        self._seen: dict[tuple[str, ...], int] = {}
        self._grants: dict[str, frozenset[str]] = {}

    def take(self, row: OpeningRow) -> None:
        """One row; its fault is a problem of the import."""
        try:
            opened = understood(row)
            key = _key_of(opened)
            self._require_once(row, key)
            state = self._judge(row, opened)
            self.actions.append(OpeningAction(line=row.line, kind=row.kind, id=key[-1], state=state))
        except errors.DrawdownError as fault:
            self.problems.append(problem_of(row.line, fault))

    def _require_once(self, row: OpeningRow, key: tuple[str, ...]) -> None:
        earlier = self._seen.setdefault(key, row.line)
        if earlier != row.line:
            raise errors.InvalidRequestError(f"line {earlier} has {key[-1]!r} already", field=f"{key[0]}_id")

    def _judge(self, row: OpeningRow, opened: Opened) -> str:
        match opened:
            case Customer():
                return self._judge_customer(opened)
            case commands.CreateAccount():
                return self._judge_account(row, opened)
            case commands.CreateGrant():
                return self._judge_grant(row, opened)
            case OpenSubscription():
                return self._judge_subscription(opened)

    def _judge_customer(self, customer: Customer) -> str:
        self._require_visible(customer.customer_id)
        known = self.step.work.customers.get(customer_id=customer.customer_id)
        if known is not None and known != customer:
            differing = [
                name for name in customer.__struct_fields__ if getattr(known, name) != getattr(customer, name)
            ]
            raise errors.AlreadyExistsError(
                f"customer {customer.customer_id!r} exists with another {differing[0]}", field=differing[0]
            )
        if known is None:
            self._customers[customer.customer_id] = customer
        return "new" if known is None else "known"

    def _require_visible(self, customer_id: str) -> None:
        if not self.step.sees(customer_id):
            raise errors.NotFoundError("outside what this credential may see", field="customer_id")

    def _judge_account(self, row: OpeningRow, command: commands.CreateAccount) -> str:
        account = command.account
        self.step.require_visible(account)
        if command.customer is not None:
            self._require_visible(command.customer)
        try:
            known = self.step.engine.account(account)
        except errors.AccountNotFoundError:
            self._accounts[account] = command.customer or account
            self._groups.setdefault(account, []).insert(0, (row, command))
            return "new"
        if known.customer != (command.customer or ""):
            raise errors.AlreadyExistsError(
                f"account {account!r} exists with customer {known.customer!r}", field="customer_id"
            )
        self.step.open_profile(account)
        return "known"

    def _judge_grant(self, row: OpeningRow, command: commands.CreateGrant) -> str:
        account = command.account
        known = False
        if account not in self._accounts:
            self.step.open_profile(account)
            if account not in self._grants:
                grants = self.step.engine.grants(account)
                self._grants[account] = frozenset(each.grant_id for each in grants)
            known = command.grant.grant_id in self._grants[account]
        self._groups.setdefault(account, []).append((row, command))
        return "known" if known else "new"

    def _judge_subscription(self, opened: OpenSubscription) -> str:
        if opened.account not in self._accounts:
            self.step.open_profile(opened.account)
        known = self.step.work.subscriptions.get(subscription_id=opened.subscription_id)
        if known is not None:
            if known.account != opened.account or not has_begun_at(known, opened.started_at):
                raise errors.AlreadyExistsError(
                    f"subscription {opened.subscription_id!r} exists with another account or start",
                    field="subscription_id",
                )
            return "known"
        if opened.subscription_id.startswith(SIGNUP_PREFIX):
            raise errors.InvalidRequestError(
                f"subscription_id: {opened.subscription_id!r} begins like the id of a plan given at sign-up; "
                "choose another",
                field="subscription_id",
            )
        new_account = opened.account in self._accounts
        now = self.step.real_now() if new_account else self.step.now_of(opened.account)
        check_open(self.step, opened, self._customer_of(opened.account), now)
        self._subscriptions[opened.subscription_id] = opened
        return "new"

    def _customer_of(self, account: str) -> Customer:
        customer_id = self._accounts.get(account)
        if customer_id is None:
            found = self.step.customer_of(account)
            return self._customers.get(found.customer_id, found)
        known = self._customers.get(customer_id) or self.step.work.customers.get(customer_id=customer_id)
        return known or Customer(customer_id=customer_id)

    def ask_the_engine(self) -> None:
        """Would it take every command? It is asked account by account, and takes nothing."""
        for account, group in self._groups.items():
            rest = list(group)
            while rest:
                refused = self.step.would_refuse(account, [command for _, command in rest])
                if refused is None:
                    break
                at, result = refused
                problem = OpeningProblem(
                    line=rest[at][0].line, field=result.field or "", message=result.reason or result.status
                )
                self.problems.append(problem)
                del rest[at]
                if at == 0 and account in self._accounts:
                    break

    def carry_out(self) -> None:
        """Everything that is new."""
        for customer in self._customers.values():
            self.step.work.customers.put(customer)
        for account, customer_id in self._accounts.items():
            self.step.work.profiles.put(AccountProfile(account=account, customer_id=customer_id))
        for account, group in self._groups.items():
            self.step.decision.command(account, *(command for _, command in group))
        for opened in self._subscriptions.values():
            begin_open(self.step, opened)


def _key_of(opened: Opened) -> tuple[str, ...]:
    match opened:
        case Customer():
            return "customer", opened.customer_id
        case commands.CreateAccount():
            return "account", opened.account
        case commands.CreateGrant():
            return "grant", opened.account, opened.grant.grant_id
        case OpenSubscription():
            return "subscription", opened.subscription_id
