// SPDX-License-Identifier: GPL-2.0
/* lqctl top: a view of the listeners that is refreshed in place. */
#define NCURSES_NOMACROS /* scroll, timeout and their like are words of everybody's */
#include <curses.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/output.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "view/top.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool batch = false;
	double interval = 1; /* seconds */
	unsigned count = 0;  /* of frames; 0: without end */
	std::vector<std::string> filter;
};

using Clock = std::chrono::steady_clock;

void look(Genl &genl, Top &top)
{
	bool incomplete;
	std::vector<Listener> listeners = poll_listeners(genl, incomplete);

	add_processes(listeners);
	top.update(std::move(listeners),
		   std::chrono::duration<double>(Clock::now().time_since_epoch()).count());
	if (const Listener *worst = top.worst())
		top.name_dropped(to_string(genl.dropped(worst->id)));
}

/* Where settings are kept, by the XDG Base Directory Specification; empty: nowhere. */
std::filesystem::path settings_path()
{
	const auto set = [](const char *name) {
		const char *value = std::getenv(name);
		/* A path that is not absolute is to be ignored. */
		return std::filesystem::path(value && *value == '/' ? value : "");
	};
	std::filesystem::path base = set("XDG_CONFIG_HOME");

	if (base.empty() && !set("HOME").empty())
		base = set("HOME") / ".config";
	return base.empty() ? base : base / "lqctl" / "top";
}

TopSettings read_settings()
{
	std::ostringstream text;
	const std::ifstream file(settings_path());

	if (file)
		text << file.rdbuf();
	return TopSettings::of(text.str());
}

void write_settings(const TopSettings &settings)
{
	const std::filesystem::path path = settings_path();

	if (path.empty())
		return;
	try {
		std::filesystem::create_directories(path.parent_path());
	} catch (const std::filesystem::filesystem_error &error) {
		throw Error(fmt::format("the settings of top are not kept: {}: {}",
					path.parent_path().string(), error.code().message()));
	}
	write_whole(path, settings.text(), 0644);
}

/* Frames one after the other, for a file or a pipe. */
void batch(const Options &options, Genl &genl, Top &top)
{
	for (unsigned n = 0; options.count == 0 || n < options.count; n++) {
		look(genl, top);
		std::string text = n ? "\n" : "";
		for (const Table::Line &line :
		     top.frame({.columns = 1000, .rows = 100000, .numeric = options.numeric},
			       time_of_day(now_ns()))) {
			for (const Table::Cell &piece : line)
				text += piece.text;
			while (text.ends_with(' '))
				text.pop_back();
			text += '\n';
		}
		if (!write_stdout(text))
			return;
		if (options.count == 0 || n + 1 < options.count)
			std::this_thread::sleep_for(
				std::chrono::duration<double>(options.interval));
	}
}

/* curses from here to its end, whatever the way out. */
class Screen final {
public:
	Screen()
	{
		SCREEN *screen = newterm(nullptr, stdout, stdin);
		if (!screen) {
			const char *term = std::getenv("TERM");
			throw Error(
				fmt::format("top does not know the terminal \"{}\": set TERM, or "
					    "use --batch",
					    term ? term : ""));
		}
		set_term(screen);
		cbreak();
		noecho();
		nonl();
		keypad(stdscr, TRUE);
		set_escdelay(25);
		curs_set(0);
		mouseinterval(0);
		mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
		const char *no_color = std::getenv("NO_COLOR");
		if (!(no_color && *no_color) && has_colors()) {
			start_color();
			use_default_colors();
			init_pair(1, COLOR_GREEN, -1);
			init_pair(2, COLOR_YELLOW, -1);
			init_pair(3, COLOR_RED, -1);
			colours_ = true;
		}
	}
	~Screen() { endwin(); }
	Screen(const Screen &) = delete;
	Screen &operator=(const Screen &) = delete;

	void draw(const std::vector<Table::Line> &lines, const std::string &bottom)
	{
		erase();
		for (std::size_t y = 0; y < lines.size(); y++) {
			move(static_cast<int>(y), 0);
			for (const Table::Cell &piece : lines[y]) {
				const attr_t look = attributes(piece.tone);
				attron(look);
				addnstr(piece.text.data(), static_cast<int>(piece.text.size()));
				attroff(look);
			}
		}
		if (!bottom.empty() && LINES > 1) {
			attron(A_REVERSE);
			mvaddnstr(LINES - 1, 0, bottom.c_str(), std::max(COLS - 1, 0));
			attroff(A_REVERSE);
		}
		refresh();
	}

private:
	[[nodiscard]] attr_t attributes(Tone tone) const
	{
		switch (tone) {
		case Tone::plain:
			break;
		case Tone::title:
			return A_BOLD;
		case Tone::dim:
			return A_DIM;
		case Tone::good:
			return colours_ ? COLOR_PAIR(1) : A_NORMAL;
		case Tone::warn:
			return colours_ ? COLOR_PAIR(2) : A_NORMAL;
		case Tone::bad:
			return colours_ ? COLOR_PAIR(3) : A_BOLD;
		}
		return A_NORMAL;
	}

	bool colours_ = false;
};

class View final {
public:
	View(const Options &options, Genl &genl, Top &top)
	    : options_(options), genl_(genl), top_(top), began_(read_settings()),
	      numeric_(options.numeric || began_.numeric)
	{
		top_.sort = began_.sort;
		top_.reversed = began_.reversed;
	}

	/* What to keep, if a key changed it. */
	[[nodiscard]] std::optional<TopSettings> changed() const
	{
		TopSettings now{.sort = top_.sort, .reversed = top_.reversed, .numeric = numeric_};

		if (!numeric_typed_)
			now.numeric = began_.numeric;
		return now == began_ ? std::nullopt : std::optional(now);
	}

	void run()
	{
		auto next = Clock::now();
		for (unsigned n = 0; !done_;) {
			if (Clock::now() >= next) {
				if (options_.count != 0 && n++ == options_.count)
					return;
				if (!paused_)
					look(genl_, top_);
				next = Clock::now() +
				       std::chrono::duration_cast<Clock::duration>(
					       std::chrono::duration<double>(options_.interval));
			}
			draw();
			const auto left =
				std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
			wtimeout(stdscr, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
			const int key = getch();
			if (key == ERR) {
				/* Nobody is at the terminal any more, or time is up. */
				if (!isatty(STDIN_FILENO))
					return;
				continue;
			}
			typed(key);
		}
	}

private:
	[[nodiscard]] TopStyle style() const
	{
		return {.columns = static_cast<unsigned>(COLS),
			.rows = static_cast<unsigned>(std::max(LINES - 1, 0)),
			.glyphs = locale_glyphs(),
			.numeric = numeric_};
	}

	void draw()
	{
		std::string bottom = keys(style().columns);
		if (editing_)
			bottom = "filter: " + edited_ + '_';
		else if (!message_.empty())
			bottom = message_;
		else if (paused_)
			bottom = "paused; space goes on";
		screen_.draw(help_ ? help() : top_.frame(style(), time_of_day(now_ns())), bottom);
	}

	/* As many as there is room for, but always the last. */
	static std::string keys(std::size_t columns)
	{
		constexpr std::string_view last = "h help";
		std::string line;

		for (const std::string_view key :
		     {"q quit", "s sort", "r reverse", "/ filter", "space pause"}) {
			if (line.size() + key.size() + 2 + last.size() >= columns)
				break;
			line += key;
			line += "  ";
		}
		return line.append(last);
	}

	static std::vector<Table::Line> help()
	{
		std::vector<Table::Line> lines;
		for (const char *line :
		     {"q      quit", "s      sort by load, drops, SYNs,", "       accepts or port",
		      "r      reverse the order", "/      filter, as in lqctl list; empty: all",
		      "n      ports as numbers or names", "space  pause, and go on",
		      "arrows, Page keys, Home  scroll", "h      this, and back",
		      "mouse  a title sorts, and reverses", "       the order; the wheel scrolls",
		      "", "Bars: how full a queue is.", "Oldest: the first connection in the",
		      "accept queue has waited so long.",
		      "Last minute: the fuller queue, 5 s each.", "",
		      "Order and ports are kept for next time."})
			lines.push_back({{line}});
		lines.resize(std::min<std::size_t>(
			lines.size(), static_cast<std::size_t>(std::max(LINES - 1, 0))));
		return lines;
	}

	void move_by(std::int64_t by)
	{
		const auto last = static_cast<std::int64_t>(top_.size()) - 1;
		top_.first = static_cast<std::size_t>(
			std::clamp<std::int64_t>(static_cast<std::int64_t>(top_.first) + by, 0,
						 std::max<std::int64_t>(last, 0)));
	}

	void clicked()
	{
		MEVENT event;

		if (getmouse(&event) != OK || help_)
			return;
		if (event.bstate & BUTTON4_PRESSED)
			return move_by(-3);
		if (event.bstate & BUTTON5_PRESSED)
			return move_by(3);
		const std::optional<TopSort> sort = top_.sort_at(
			style(), static_cast<unsigned>(event.x), static_cast<unsigned>(event.y));
		if (!sort)
			return;
		top_.reversed = top_.sort == *sort && !top_.reversed;
		top_.sort = *sort;
	}

	void typed(int key)
	{
		message_.clear();
		if (key == KEY_MOUSE)
			return clicked();
		if (editing_)
			return edit(key);
		switch (key) {
		case 'q':
			done_ = true;
			break;
		case 's':
			top_.sort = next(top_.sort);
			break;
		case 'r':
			top_.reversed = !top_.reversed;
			break;
		case 'n':
			numeric_ = !numeric_;
			numeric_typed_ = true;
			break;
		case ' ':
			paused_ = !paused_;
			break;
		case 'h':
		case '?':
			help_ = !help_;
			break;
		case '/':
			editing_ = true;
			edited_ = top_.filter();
			break;
		case KEY_DOWN:
			move_by(1);
			break;
		case KEY_UP:
			move_by(-1);
			break;
		case KEY_NPAGE:
			move_by(std::max(LINES - 3, 1));
			break;
		case KEY_PPAGE:
			move_by(-std::max(LINES - 3, 1));
			break;
		case KEY_HOME:
			top_.first = 0;
			break;
		default: /* KEY_RESIZE among them: it is drawn anew anyway */
			break;
		}
	}

	void edit(int key)
	{
		if (key == '\r' || key == '\n' || key == KEY_ENTER) {
			editing_ = false;
			try {
				top_.set_filter(edited_);
			} catch (const Error &error) {
				message_ = error.what();
			}
		} else if (key == 27) {
			editing_ = false;
		} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
			if (!edited_.empty())
				edited_.pop_back();
		} else if (key == 'U' - '@') {
			edited_.clear();
		} else if (key >= ' ' && key < 127) {
			edited_ += static_cast<char>(key);
		}
	}

	const Options &options_;
	Genl &genl_;
	Top &top_;
	Screen screen_;
	const TopSettings began_;
	std::string edited_, message_;
	bool numeric_, numeric_typed_ = false;
	bool editing_ = false, paused_ = false, help_ = false, done_ = false;
};

void run(const Options &options)
{
	Top model;

	if (!options.filter.empty())
		model.set_filter(Selection(options.filter).text());
	Genl genl;
	if (options.batch)
		return batch(options, genl, model);
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		throw Error("top needs a terminal: use --batch to write to a file or a pipe");
	std::optional<TopSettings> changed;
	{
		View view(options, genl, model);
		view.run();
		changed = view.changed();
	}
	/* The terminal is as it was: a complaint is seen. */
	if (changed)
		write_settings(*changed);
}

} // namespace

Command top(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("top", "The listeners, refreshed in place");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-b,--batch", o->batch,
			  "One frame after the other, for a file or a pipe");
	command->add_option("-i,--interval", o->interval,
			    "Seconds between two looks, 1 unless given")
		->check(CLI::Range(0.1, 3600.0));
	command->add_option("-c,--count", o->count, "Looks, then the end")
		->check(CLI::Range(1u, 1000000000u));
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
