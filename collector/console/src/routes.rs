//! The table of routes: path, what it needs, who answers. Nothing is served that does not stand here.

use crate::{
    api, assets,
    authority::Action,
    backend::Backend,
    events,
    guard::{Gate, Kind, Need, gate},
    headers, pages,
    state::{Console, ConsoleOptions},
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{MethodRouter, get, post},
};
use std::{sync::Arc, time::Duration};
use tocsin_desk::paper::attachment;
use tower_http::csrf::CsrfLayer;

/// Largest body of a request, in bytes: the longest form has two fields of 4 000 characters.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest sheet of a register or roster, in bytes: some ten thousand assets.
const SHEET_BYTES_MAX: usize = tocsin_sheets::FILE_BYTES_MAX + BODY_BYTES_MAX;
/// Where files are sent to; a photo takes its time over a weak network.
const ATTACHMENTS: &str = "/t/{number}/attachments";
/// Largest body there: a file with what surrounds it.
const FILE_BODY_BYTES_MAX: usize = attachment::BYTES_MAX + 64 * 1024;
/// A file may take so long to come.
const FILE_TIME_MAX: Duration = Duration::from_secs(300);
/// No handler but the stream of events may take longer.
const HANDLER_TIME_MAX: Duration = Duration::from_secs(20);

/// One line of the table.
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) need: Need,
    pub(crate) kind: Kind,
    answer: MethodRouter<Console>,
}

/// Everything that is served, with what it needs.
pub(crate) fn table() -> Vec<Route> {
    use Action::{ConfirmTicket, HandOver, ManageDuty, OwnPin, ReadDuty, ReadRegisters, WorkTicket};
    use Action::{Diagnose, ReadHelp, ReadHosts, ReadInbox, ReadPlanned, ReadRules, ReadSystem, ReadWork, ReportFault};
    let page = |path: &str, need: Need, answer: MethodRouter<Console>| Route {
        path: path.to_owned(),
        need,
        kind: Kind::Page,
        answer,
    };
    let ping = |path: &str, answer: MethodRouter<Console>| Route {
        path: path.to_owned(),
        need: Need::Nobody,
        kind: Kind::Api,
        answer,
    };
    let mut table = vec![
        page("/", Need::To(ReadWork), get(pages::board::show)),
        page("/tickets", Need::To(ReadWork), get(pages::tickets::list)),
        page(
            "/report",
            Need::To(ReportFault),
            get(pages::report::form).post(pages::report::send),
        ),
        page("/t/{number}", Need::To(ReadWork), get(pages::ticket::show)),
        page("/t/{number}/{action}", Need::To(ReadWork), post(pages::ticket::act)),
        page("/alerts", Need::To(ReadWork), get(pages::alerts::list)),
        page("/alerts/{alert}", Need::To(ReadWork), get(pages::alert::show)),
        page("/hosts", Need::To(ReadHosts), get(pages::hosts::list)),
        page("/hosts/{id}", Need::To(ReadHosts), get(pages::host::show)),
        page(
            "/hosts/{id}/documents",
            Need::To(ReadHosts),
            get(pages::documents::list),
        ),
        page(
            "/hosts/{id}/documents/{document}",
            Need::To(ReadHosts),
            get(pages::document::show),
        ),
        page(
            "/hosts/{id}/diagnose",
            Need::To(Diagnose),
            get(pages::diagnose::form).post(pages::diagnose::ask),
        ),
        page("/backups", Need::To(ReadHosts), get(pages::backups::list)),
        page(
            "/backups/coverage",
            Need::To(ReadHosts),
            get(pages::backup_coverage::coverage),
        ),
        page(
            "/backups/summary",
            Need::To(ReadHosts),
            get(pages::backup_coverage::summary),
        ),
        page("/backups/{job}", Need::To(ReadHosts), get(pages::backup_job::show)),
        page(
            "/backups/{job}/done",
            Need::To(WorkTicket),
            post(pages::backup_job::done),
        ),
        page(
            "/backups/{job}/drill",
            Need::To(WorkTicket),
            post(pages::backup_job::drill),
        ),
        page(
            "/backups/{job}/plan",
            Need::To(WorkTicket),
            post(pages::backup_job::plan),
        ),
        ping("/ping/{key}", get(pages::ping::by_key).post(pages::ping::by_key)),
        ping(
            "/ping/{key}/{slug}",
            get(pages::ping::by_slug).post(pages::ping::by_slug),
        ),
        ping(
            "/ping/{key}/{slug}/{signal}",
            get(pages::ping::signal).post(pages::ping::signal),
        ),
        page("/inbox", Need::To(ReadInbox), get(pages::inbox::list)),
        page(
            "/planned",
            Need::To(ReadPlanned),
            get(pages::planned::show).post(pages::planned::add),
        ),
        page(
            "/planned/{kind}/{id}/{action}",
            Need::To(ReadPlanned),
            post(pages::planned::end),
        ),
        page("/rules", Need::To(ReadRules), get(pages::rules::list)),
        page("/rules/{rule}", Need::To(ReadRules), get(pages::rule::show)),
        page(
            "/replay",
            Need::To(ReadRules),
            get(pages::replay::form).post(pages::replay::send),
        ),
        page("/system", Need::To(ReadSystem), get(pages::system::show)),
        page("/channels", Need::To(ReadSystem), get(pages::channels::list)),
        page("/channels/drill", Need::To(ReadSystem), get(pages::channel_drill::show)),
        page("/help", Need::To(ReadHelp), get(pages::help::index)),
        page("/help/{topic}", Need::To(ReadHelp), get(pages::help::topic)),
        page("/events", Need::Somebody, get(events::events)),
        page(
            "/sign-in",
            Need::Nobody,
            get(pages::sign_in::form).post(pages::sign_in::enter),
        ),
        page(
            "/sign-in/once/{secret}",
            Need::Nobody,
            get(pages::sign_in::once).post(pages::sign_in::enter_once),
        ),
        page("/sign-out", Need::Nobody, post(pages::sign_in::leave)),
        page("/language", Need::Nobody, post(pages::sign_in::language)),
        page(
            "/p/{token}",
            Need::Nobody,
            get(pages::page_link::show).post(pages::page_link::accept),
        ),
        page("/assets/{hash}/{name}", Need::Nobody, get(assets::serve)),
    ];
    table.extend([
        page("/roster", Need::To(ReadDuty), get(pages::roster::show)),
        page("/roster/sheet", Need::To(ManageDuty), post(pages::roster::import)),
        page(
            "/roster/{roster}/{sheet}",
            Need::To(ReadDuty),
            get(pages::roster::export),
        ),
        page("/roster/{what}", Need::To(HandOver), post(pages::roster::act)),
        page("/calendar/{roster}/{tag}", Need::Nobody, get(pages::roster::calendar)),
        page(
            "/handover",
            Need::To(ReadDuty),
            get(pages::handover::list).post(pages::handover::open),
        ),
        page("/handover/{handover}", Need::To(ReadDuty), get(pages::handover::show)),
        page(
            "/handover/{handover}/{what}",
            Need::To(HandOver),
            post(pages::handover::act),
        ),
        page("/pin", Need::To(OwnPin), get(pages::pin::form).post(pages::pin::set)),
        page(
            "/intake",
            Need::To(WorkTicket),
            get(pages::intake::form).post(pages::intake::send),
        ),
        page(
            "/batch",
            Need::To(WorkTicket),
            get(pages::batch::form).post(pages::batch::send),
        ),
        page(
            "/t/{number}/sheet/{what}",
            Need::To(ReadWork),
            post(pages::ticket_sheet::act),
        ),
        page("/t/{number}/paper", Need::To(ReadWork), get(pages::papers::show)),
        page(
            "/t/{number}/paper/{what}",
            Need::To(ConfirmTicket),
            post(pages::papers::act),
        ),
        page(ATTACHMENTS, Need::To(ReportFault), post(pages::papers::upload)),
        page(
            "/t/{number}/attachments/{file}",
            Need::To(ReadWork),
            get(pages::papers::download),
        ),
        page(
            "/sign/{secret}",
            Need::Nobody,
            get(pages::sign::show).post(pages::sign::send),
        ),
        page("/sign/{secret}/rate", Need::Nobody, post(pages::sign::rate)),
        page(
            "/registers/{book}",
            Need::To(ReadRegisters),
            get(pages::registers::list).post(pages::registers::import),
        ),
        page(
            "/registers/{book}/export.csv",
            Need::To(ReadRegisters),
            get(pages::registers::export_csv),
        ),
        page(
            "/registers/{book}/export.xlsx",
            Need::To(ReadRegisters),
            get(pages::registers::export_xlsx),
        ),
        page(
            "/registers/{book}/{row}",
            Need::To(ReadRegisters),
            get(pages::registers::row).post(pages::registers::put),
        ),
        page("/spares/answer", Need::To(ManageDuty), post(pages::registers::answer)),
        page("/spares/count", Need::To(WorkTicket), post(pages::registers::count)),
    ]);
    table.extend([
        page(
            "/accounts",
            Need::To(ReadWork),
            get(pages::accounts::show).post(pages::accounts::import),
        ),
        page("/accounts/{sheet}", Need::To(ReadWork), get(pages::accounts::export)),
        page(
            "/accounts/contracts/{contract}",
            Need::To(ReadWork),
            get(pages::accounts::contract),
        ),
        page("/downtimes/{downtime}", Need::To(ReadWork), get(pages::downtime::show)),
        page(
            "/downtimes/{downtime}/{what}",
            Need::To(ConfirmTicket),
            post(pages::downtime::act),
        ),
        page(
            "/t/{number}/downtime",
            Need::To(ReadWork),
            get(pages::downtime::of_ticket).post(pages::downtime::claim),
        ),
        page("/t/{number}/times", Need::To(ReadRegisters), get(pages::times::show)),
        page(
            "/t/{number}/times/{what}",
            Need::To(WorkTicket),
            post(pages::times::amend),
        ),
        page(
            "/t/{number}/reports/{report}",
            Need::To(ReadWork),
            get(pages::ticket_report::show),
        ),
        page(
            "/t/{number}/reports/{report}/{what}",
            Need::To(ConfirmTicket),
            post(pages::ticket_report::act),
        ),
        page(
            "/t/{number}/reports/{report}/paper",
            Need::To(ReadWork),
            get(pages::ticket_report::paper),
        ),
        page(
            "/t/{number}/reports/{report}/markdown",
            Need::To(ReadWork),
            get(pages::ticket_report::markdown),
        ),
        page("/tickets/{sheet}", Need::To(ReadWork), get(pages::tickets::export)),
    ]);
    table.extend(api::table().into_iter().map(|(path, need, answer)| Route {
        path,
        need,
        kind: Kind::Api,
        answer,
    }));
    table
}

/// Everything the console serves. The caller gives it TLS; with `secure_cookies` nobody can sign in without.
pub fn router(backend: Arc<dyn Backend>, options: ConsoleOptions) -> Router {
    let console = Console {
        backend,
        options: Arc::new(options),
    };
    let mut router = Router::new();
    for route in table() {
        let gated = Gate {
            console: console.clone(),
            need: route.need,
            kind: route.kind,
        };
        let mut answer = route.answer.layer(from_fn_with_state(gated, gate));
        if ["/registers/{book}", "/roster/sheet", "/accounts"].contains(&route.path.as_str()) {
            answer = answer.layer(DefaultBodyLimit::max(SHEET_BYTES_MAX));
        }
        if route.path == ATTACHMENTS {
            answer = answer.layer(DefaultBodyLimit::max(FILE_BODY_BYTES_MAX));
            answer = answer.layer(from_fn(|request, next| within(FILE_TIME_MAX, request, next)));
        } else if route.path != "/events" {
            answer = answer.layer(from_fn(in_time));
        }
        router = router.route(&route.path, answer);
    }
    let lost = Gate {
        console: console.clone(),
        need: Need::Nobody,
        kind: Kind::Page,
    };
    let lost_api = Gate {
        kind: Kind::Api,
        ..lost.clone()
    };
    router
        .route(
            "/api/{*rest}",
            axum::routing::any(pages::lost).layer(from_fn_with_state(lost_api, gate)),
        )
        .fallback_service(axum::routing::any(pages::lost).layer(from_fn_with_state(lost, gate)))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(console.clone(), headers::secure))
        .with_state(console)
}

/// Puts routes of another part behind the console's gate: programs with a token whose role allows `action` come through, and
/// handlers find the [`tocsin_desk::record::Speaker`] among a request's extensions. Merge it with [`router`].
pub fn guarded(other: Router, backend: Arc<dyn Backend>, options: ConsoleOptions, action: Action) -> Router {
    let console = Console {
        backend,
        options: Arc::new(options),
    };
    let gated = Gate {
        console: console.clone(),
        need: Need::To(action),
        kind: Kind::Api,
    };
    other
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(gated, gate))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(console, headers::secure))
}

/// Ends a handler that hangs, so that a stuck disk shows as an error and not as a white page.
async fn in_time(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    within(HANDLER_TIME_MAX, request, next).await
}

async fn within(
    most: Duration,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    tokio::time::timeout(most, next.run(request)).await.unwrap_or_else(|_| {
        let mut response = axum::response::Response::new("took too long; try again\n".into());
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        response
    })
}
