// SPDX-License-Identifier: GPL-2.0
/* lqctl record: samples of listeners, and what happens to them, to a file. */
#include <fmt/core.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/signals.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/subscription.hh"
#include "model/selection.hh"
#include "report/recording.hh"
#include "report/recording_file.hh"

namespace lqctl {

namespace {

struct Options {
	bool append = false;
	std::string output; /* "-": stdout */
	std::string interval = "1s";
	std::string duration;		    /* empty: until a signal */
	std::vector<std::string> listeners; /* FILTER, or "@" and an id; none: all */
};

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

Error failed(const char *what)
{
	return Error(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

/* FILTERs and "@" with an id; none: all listeners. */
class Wanted final {
public:
	explicit Wanted(const std::vector<std::string> &words)
	{
		for (const std::string &word : words) {
			if (word.starts_with('@'))
				ids_.push_back(parse_listener_id(word));
			else
				filters_.emplace_back(word);
		}
	}
	[[nodiscard]] bool matches(std::uint64_t id, const Address &address) const
	{
		if (ids_.empty() && filters_.empty())
			return true;
		for (const std::uint64_t wanted : ids_) {
			if (wanted == id)
				return true;
		}
		for (const Filter &filter : filters_) {
			if (filter.matches(address))
				return true;
		}
		return false;
	}

private:
	std::vector<std::uint64_t> ids_;
	std::vector<Filter> filters_;
};

class Recorder final {
public:
	explicit Recorder(const Options &options)
	    : options_(options), wanted_(options.listeners),
	      interval_(parse_timespan(options.interval, "interval", 10ms)),
	      duration_(parse_duration(options.duration)),
	      shows_progress_(isatty(STDERR_FILENO) == 1)
	{
	}

	void run()
	{
		Subscription subscription(genl_.family());
		/* They end it in good order. That SIGHUP is ignored is nohup's wish. */
		const Signals signals({SIGINT, SIGTERM, SIGHUP}, {SIGINT, SIGTERM});
		file_.emplace(options_.output, options_.append);
		start_ = Clock::now();
		write(header_line(now_ns(), interval_, options_.listeners));

		try {
			watch(subscription, signals);
		} catch (const Error &error) {
			if (error.status() == Exit::no_module)
				write(end_line(elapsed(), "module unloaded"));
			throw;
		}
	}

private:
	static std::optional<Microseconds> parse_duration(const std::string &text)
	{
		if (text.empty())
			return std::nullopt;
		return parse_timespan(text, "duration", 1ms);
	}

	[[nodiscard]] Microseconds elapsed() const
	{
		return std::chrono::duration_cast<Microseconds>(Clock::now() - start_);
	}

	[[nodiscard]] int wait_until(Clock::time_point next) const
	{
		if (duration_)
			next = std::min(next, start_ + *duration_);
		const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
		return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
	}

	void watch(Subscription &subscription, const Signals &signals)
	{
		auto next = start_;
		while (!closed_) {
			if (Clock::now() >= next) {
				sample();
				progress();
				/* Late by more than an interval: the missed ones are not made up
				 * for. */
				next += interval_ * ((Clock::now() - next) / interval_ + 1);
			}
			pollfd fds[] = {{subscription.fd(), POLLIN, 0},
					{signals.fd(), POLLIN, 0},
					{file_->fd(), 0, 0}};
			if (poll(fds, 3, wait_until(next)) < 0 && errno != EINTR)
				throw failed("poll");
			/* Of the output only what is wrong with it: the reader is gone. */
			if (fds[2].revents & (POLLERR | POLLHUP))
				closed_ = true;
			if (fds[0].revents)
				subscription.read([&](Bytes a) { add(parse_event(a)); },
						  [&] { add(events_lost(now_ns())); });
			if (fds[1].revents)
				return finish("signal");
			if (duration_ && elapsed() >= *duration_)
				return finish("duration");
		}
	}

	void write(const std::string &line) { closed_ = closed_ || !file_->write(line); }

	void sample()
	{
		bool incomplete;
		std::vector<Listener> listeners = poll_listeners(genl_, incomplete);

		std::erase_if(listeners,
			      [&](const Listener &l) { return !wanted_.matches(l.id, l.address); });
		write(sample_line(elapsed(), !incomplete, listeners));
		samples_++;
		listeners_ = listeners.size();
	}

	void add(const Event &event)
	{
		if (event.listener && !wanted_.matches(event.listener, event.address))
			return;
		write(event_line(elapsed(), event));
		events_++;
	}

	void finish(const char *reason)
	{
		/* So that what came since the last one is not lost. */
		sample();
		write(end_line(elapsed(), reason));
		if (!shows_progress_)
			return;
		progress();
		fmt::print(stderr, "\n{} samples in {}: look at them by\n  lqctl report {} -o {}\n",
			   samples_, timespan_text(elapsed()), options_.output,
			   options_.output == "-" ? "report.html" : options_.output + ".html");
	}

	/* One line that is written over and over, no wider than the terminal. */
	void progress() const
	{
		if (!shows_progress_)
			return;
		winsize size{};
		if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
			size.ws_col = 80;
		std::string line = fmt::format(
			"{}{}  samples {}  listeners {}  events {}  {} kB  (Ctrl-C ends)",
			timespan_text(std::chrono::round<std::chrono::seconds>(elapsed())),
			duration_ ? " of " + timespan_text(*duration_) : "", samples_, listeners_,
			events_, file_->written() / 1024);
		line.resize(std::min<std::size_t>(line.size(), size.ws_col - 1));
		fmt::print(stderr, "\r{}\033[K", line);
	}

	const Options &options_;
	Wanted wanted_;
	Microseconds interval_;
	std::optional<Microseconds> duration_;
	Genl genl_;
	std::optional<RecordingFile> file_;
	Clock::time_point start_;
	bool shows_progress_;
	bool closed_ = false; /* nobody reads the output any more */
	std::size_t samples_ = 0, listeners_ = 0, events_ = 0;
};

void run(const Options &options)
{
	Recorder(options).run();
}

} // namespace

Command record(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("record", "Samples of listeners, to a file for report");
	command->add_option("-o,--output", o->output, "The file; - is stdout")->required();
	command->add_option("-i,--interval", o->interval,
			    "Between samples, such as 100ms or 5s; 1s unless given");
	command->add_option("-d,--duration", o->duration, "How long; until a signal unless given");
	command->add_flag("-a,--append", o->append, "Add to a file that holds recordings already");
	command->add_option("LISTENER", o->listeners, "@ID, or as in list; none: all of them");
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
