//! The picture.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table, Tabs, Wrap};
use swarm_types::api::{Approval, Epoch, Worker, WorkerSample};

use super::feed::Look;
use super::model::{Model, Point, Tab};
use crate::commands::status::{ago, heard, power};

/// What the keys do.
const HELP: &str = "\
q, Esc      quit
Tab, → ←    bees, queue, power, money
?           this help

The picture follows the queen's events. While she
is away it stays, and says when she was last heard.
A gap in a chart is a value that nobody measured.";

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, model: &Model, now: Instant) {
    let [head, tabs, charts, body, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(5),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(model, now), head);
    let here = Tab::ALL.iter().position(|tab| *tab == model.tab);
    let chosen = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(
        Tabs::new(Tab::ALL.map(Tab::title))
            .select(here)
            .highlight_style(chosen),
        tabs,
    );
    if let Some(look) = &model.look {
        draw_charts(frame, model, charts);
        match model.tab {
            Tab::Bees => bees(frame, look, body),
            Tab::Queue => queue(frame, look, body),
            Tab::Power => frame.render_widget(power_lines(look), body),
            Tab::Money => money(frame, look, body),
        }
    }
    frame.render_widget(
        Line::from("q quit   tab next   ? help").style(Color::DarkGray),
        foot,
    );
    if model.help {
        let area = frame
            .area()
            .centered(Constraint::Length(56), Constraint::Length(10));
        frame.render_widget(Clear, area);
        frame.render_widget(
            Paragraph::new(HELP).block(Block::bordered().title(" Help ")),
            area,
        );
    }
}

fn header<'a>(model: &'a Model, now: Instant) -> Paragraph<'a> {
    let state = match (&model.look, &model.away, model.heard_at_instant) {
        (Some(look), None, _) => {
            let health = &look.status.health;
            let colour = if health.status == "ok" {
                Color::Green
            } else {
                Color::Yellow
            };
            let mut notes = health.notes.clone();
            if health.chain != "ok" {
                notes.insert(0, format!("chain: {}", health.chain));
            }
            Line::from(vec![
                Span::styled(health.status.clone(), colour),
                Span::raw(format!("  {}", notes.join("; "))),
            ])
        }
        (_, away, Some(heard)) => {
            let seconds = now.saturating_duration_since(heard).as_secs();
            let why = away.as_deref().unwrap_or_default();
            Line::from(format!("AWAY, last heard {} ago: {why}", ago(seconds))).style(Color::Red)
        }
        (_, Some(why), None) => Line::from(format!("AWAY, never heard: {why}")).style(Color::Red),
        (_, None, None) => Line::from("asking the queen …"),
    };
    let title = match &model.look {
        Some(look) => format!(
            "{}  {}  version {}",
            look.status.info.name, model.url, look.status.info.version
        ),
        None => model.url.clone(),
    };
    Paragraph::new(vec![Line::from(title).style(Modifier::BOLD), state])
}

/// A chart's name, its unit, and what it shows of each point.
type Chart = (&'static str, &'static str, fn(&Point) -> Option<u64>);

fn draw_charts(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let areas: [Rect; 4] = Layout::horizontal([Constraint::Fill(1); 4]).areas(area);
    let charts: [Chart; 4] = [
        ("waiting", "", |point| Some(point.waiting)),
        ("working", "", |point| Some(point.working)),
        ("use", " %", |point| point.use_percent),
        ("bees' power", " W", |point| point.watts),
    ];
    for ((name, unit, of), area) in charts.into_iter().zip(areas) {
        let width = area.width.saturating_sub(2) as usize;
        let from = model.history.len().saturating_sub(width);
        let values: Vec<Option<u64>> = model.history.iter().skip(from).map(of).collect();
        let last = values.last().copied().flatten();
        let title = match last {
            Some(value) => format!(" {name} {value}{unit} "),
            None => format!(" {name} unknown "),
        };
        let chart = Sparkline::default()
            .data(values)
            .absent_value_symbol("·")
            .style(Color::Cyan)
            .block(Block::bordered().title(title));
        frame.render_widget(chart, area);
    }
}

fn bees(frame: &mut Frame<'_>, look: &Look, area: Rect) {
    let heading = Row::new([
        "bee", "status", "heard", "jobs", "done", "use", "memory", "temp", "power", "device",
    ])
    .style(Modifier::BOLD);
    let rows = look.status.bees.iter().map(|bee| {
        let samples = look
            .samples
            .iter()
            .find(|(worker, _)| *worker == bee.worker);
        row(
            bee,
            samples.and_then(|(_, samples)| samples.last()),
            look.status.info.now,
        )
    });
    let widths = [
        Constraint::Length(12),
        Constraint::Length(18),
        Constraint::Length(9),
        Constraint::Length(4),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Fill(1),
    ];
    let title = format!(
        " {} online of {} ",
        look.status.health.bees_online,
        look.status.bees.len()
    );
    frame.render_widget(
        Table::new(rows, widths)
            .header(heading)
            .block(Block::bordered().title(title)),
        area,
    );
}

fn row<'a>(bee: &'a Worker, sample: Option<&WorkerSample>, now: u64) -> Row<'a> {
    let unknown = || "?".to_owned();
    let (status, colour) = match (&bee.approval, bee.ready) {
        (Approval::Waiting, _) => ("not approved".to_owned(), Color::Yellow),
        (_, false) if bee.status == "offline" => ("offline".to_owned(), Color::Red),
        (_, false) => (format!("{}, not ready", bee.status), Color::Yellow),
        (_, true) => (bee.status.clone(), Color::Green),
    };
    let of = |value: Option<String>| value.unwrap_or_else(unknown);
    Row::new([
        Cell::from(bee.name.clone()),
        Cell::from(status).style(colour),
        Cell::from(heard(bee, now)),
        Cell::from(bee.current_jobs.len().to_string()),
        Cell::from(bee.jobs_completed.to_string()),
        Cell::from(of(sample
            .and_then(|s| s.utilisation_percent)
            .map(|n| format!("{n} %")))),
        Cell::from(of(sample
            .and_then(|s| s.memory_used_mib)
            .map(|n| format!("{n} MiB")))),
        Cell::from(of(sample
            .and_then(|s| s.temperature_celsius)
            .map(|n| format!("{n} °C")))),
        Cell::from(of(sample
            .and_then(|s| s.power_milliwatts)
            .map(|n| format!("{} W", n / 1_000)))),
        Cell::from(bee.device.name.clone()),
    ])
}

fn queue(frame: &mut Frame<'_>, look: &Look, area: Rect) {
    let [left, right] =
        Layout::horizontal([Constraint::Length(30), Constraint::Fill(1)]).areas(area);
    let lines = look
        .status
        .stats
        .jobs
        .iter()
        .map(|(status, count)| Line::from(format!("{count:>10}  {status}")));
    let mean = match look.status.stats.mean_execution_ms {
        Some(ms) => format!(" mean {ms} ms "),
        None => " no job done yet ".to_owned(),
    };
    let jobs = Paragraph::new(lines.collect::<Vec<_>>())
        .block(Block::bordered().title(" Jobs ").title_bottom(mean));
    frame.render_widget(jobs, left);
    let held = look.status.bees.iter().flat_map(|bee| {
        bee.current_jobs
            .iter()
            .map(|job| Line::from(format!("{job}  {}", bee.name)))
    });
    let held = Paragraph::new(held.collect::<Vec<_>>()).block(Block::bordered().title(" In work "));
    frame.render_widget(held, right);
}

fn power_lines<'a>(look: &Look) -> Paragraph<'a> {
    let site = &look.status.power;
    let mut lines: Vec<_> = power(site)
        .split(", ")
        .map(|part| Line::from(part.to_owned()))
        .collect();
    lines.push(Line::from(site.ladder.reason.clone()).style(Color::DarkGray));
    Paragraph::new(lines)
        .wrap(Wrap { trim: true })
        .block(Block::bordered().title(" Site "))
}

fn money(frame: &mut Frame<'_>, look: &Look, area: Rect) {
    let heading = Row::new(["epoch", "status", "jobs", "fees", "note"]).style(Modifier::BOLD);
    let row = |epoch: &Epoch| {
        Row::new([
            epoch.epoch_id.to_string(),
            epoch.status.to_string(),
            epoch.jobs_count.to_string(),
            epoch.total_revenue.to_string(),
            epoch.note.clone().unwrap_or_default(),
        ])
    };
    let widths = [
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(12),
        Constraint::Fill(1),
    ];
    let title = format!(
        " {} final, {} on the way ",
        look.status.stats.total_revenue,
        look.status.on_the_way()
    );
    let block = Block::bordered().title(Line::from(title).alignment(Alignment::Left));
    frame.render_widget(
        Table::new(look.status.epochs.iter().map(row), widths)
            .header(heading)
            .block(block),
        area,
    );
}
