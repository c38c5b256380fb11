// SPDX-License-Identifier: GPL-2.0
/* lqctl record: samples of listeners, and what happens to them, to a file. */
#include <fmt/core.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/signals.hh"
#include "commands/commands.hh"
#include "commands/observe.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/subscription.hh"
#include "model/selection.hh"
#include "report/recording.hh"
#include "report/recording_file.hh"
#include "report/recording_ring.hh"
#include "view/diagnosis.hh"

namespace lqctl {

namespace {

struct Options {
	bool append = false;
	bool ring = false;
	std::string output; /* "-": stdout; a ring's directory */
	std::string interval = "1s";
	std::string duration;		    /* empty: until a signal; of a ring: what is kept */
	std::uint64_t size = 64;	    /* of a ring: MB */
	std::vector<std::string> listeners; /* FILTER, or "@" and an id; none: all */
};

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/* Looking for what is wrong takes more than a sample does. */
constexpr auto between_verdicts = 10s;

std::string host_name()
{
	utsname name{};
	return uname(&name) == 0 ? name.nodename : "";
}

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

/* Where it goes. */
class Output final {
public:
	explicit Output(const Options &options)
	{
		if (options.ring && options.output == "-")
			throw Error(
				"a ring is a directory, and no pipe: give its name by --output");
		if (options.ring)
			ring_.emplace(options.output,
				      options.duration.empty()
					      ? 1h
					      : parse_timespan(options.duration, "duration", 1s),
				      options.size * 1'000'000);
		else
			file_.emplace(options.output, options.append);
	}

	/* Of which the reader may go; -1: there is none. */
	[[nodiscard]] int fd() const { return file_ ? file_->fd() : -1; }
	[[nodiscard]] std::uint64_t written() const
	{
		return file_ ? file_->written() : ring_->written();
	}
	/* Whether what comes now, so many bytes, needs a header before. */
	[[nodiscard]] bool wants_header(std::size_t bytes) const
	{
		return ring_ && ring_->is_full(bytes);
	}
	/* False: the reader is gone. */
	[[nodiscard]] bool begin(const std::string &header)
	{
		if (file_)
			return file_->write(header);
		ring_->begin(header);
		return true;
	}
	[[nodiscard]] bool write(const std::string &line)
	{
		if (file_)
			return file_->write(line);
		ring_->write(line);
		return true;
	}

private:
	std::optional<RecordingFile> file_;
	std::optional<RecordingRing> ring_;
};

/* What holds each listener back: told as it changes. */
class Verdicts final {
public:
	/* Those that are not as they were told last; all of them after forget(). */
	std::vector<RecordedVerdict> look(Genl &genl, const Wanted &wanted, Microseconds elapsed)
	{
		std::vector<RecordedVerdict> news;
		const auto now = Clock::now();

		if (observer_) {
			const std::chrono::duration<double> watched = now - since_;
			for (const Observation &o :
			     observe(genl, *observer_, observer_->before(), watched.count())) {
				if (wanted.matches(o.now.id, o.now.address))
					take(o, elapsed, news);
			}
		}
		observer_.emplace(genl, true);
		since_ = now;
		return news;
	}
	void forget() { told_.clear(); }
	/* In less than a second little is seen. */
	[[nodiscard]] bool has_watched() const { return observer_ && Clock::now() - since_ >= 1s; }
	[[nodiscard]] bool is_due(Microseconds interval) const
	{
		return !observer_ ||
		       Clock::now() - since_ >= std::max<Microseconds>(interval, between_verdicts);
	}

private:
	void take(const Observation &o, Microseconds elapsed, std::vector<RecordedVerdict> &news)
	{
		RecordedVerdict verdict;
		verdict.elapsed = elapsed;
		verdict.id = o.now.id;
		verdict.local = to_string(o.now.address, true);
		if (!o.holders.empty()) {
			verdict.program = o.holders.front().name;
			verdict.unit = unit_of(o.holders.front());
		}
		std::string codes = verdict.program + '\n' + verdict.unit;
		for (const Finding &f : diagnose(o)) {
			verdict.findings.push_back(
				{f.code, to_string(f.severity), f.text, f.commands});
			codes += fmt::format("\n{} {}", f.code, to_string(f.severity));
		}
		auto &told = told_[verdict.id];
		/* Numbers in the text change each time. */
		if (told == codes)
			return;
		told = codes;
		news.push_back(std::move(verdict));
	}

	std::optional<Observer> observer_;
	Clock::time_point since_;
	std::map<std::uint64_t, std::string> told_;
};

class Recorder final {
public:
	explicit Recorder(const Options &options)
	    : options_(options), wanted_(options.listeners),
	      interval_(parse_timespan(options.interval, "interval", 10ms)),
	      duration_(options.ring ? std::nullopt : parse_duration(options.duration)),
	      shows_progress_(isatty(STDERR_FILENO) == 1)
	{
	}

	void run()
	{
		Subscription subscription(genl_.family());
		/* They end it in good order. That SIGHUP is ignored is nohup's wish. */
		const Signals signals({SIGINT, SIGTERM, SIGHUP}, {SIGINT, SIGTERM});
		output_.emplace(options_);
		begin();

		try {
			watch(subscription, signals);
		} catch (const Error &error) {
			if (error.status() == Exit::no_module)
				end("module unloaded");
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

	void begin()
	{
		start_ = Clock::now();
		verdicts_.forget();
		closed_ = !output_->begin(
			header_line(now_ns(), interval_, options_.listeners, host_name()));
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
				if (verdicts_.is_due(interval_))
					verdict();
				progress();
				/* Late by more than an interval: the missed ones are not made up
				 * for. */
				next += interval_ * ((Clock::now() - next) / interval_ + 1);
			}
			pollfd fds[] = {{subscription.fd(), POLLIN, 0},
					{signals.fd(), POLLIN, 0},
					{output_->fd(), 0, 0}};
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

	/* What @line(elapsed) says. */
	template <typename Line>
	void write(Line line)
	{
		std::string text = line(elapsed());

		if (output_->wants_header(text.size())) {
			if (samples_)
				(void)output_->write(end_line(elapsed(), "goes on"));
			begin();
			text = line(elapsed());
		}
		closed_ = closed_ || !output_->write(text);
	}

	void sample()
	{
		bool incomplete;
		std::vector<Listener> listeners = poll_listeners(genl_, incomplete);

		std::erase_if(listeners,
			      [&](const Listener &l) { return !wanted_.matches(l.id, l.address); });
		write([&](Microseconds at) { return sample_line(at, !incomplete, listeners); });
		samples_++;
		listeners_ = listeners.size();
	}

	void end(const char *reason)
	{
		write([&](Microseconds at) { return end_line(at, reason); });
	}

	void verdict()
	{
		std::vector<RecordedVerdict> news;

		try {
			news = verdicts_.look(genl_, wanted_, elapsed());
		} catch (const NetlinkError &) {
			/* The next sample says what is wrong. */
			return;
		}
		if (news.empty())
			return;
		write([&](Microseconds at) { return verdict_line(at, news); });
	}

	void add(const Event &event)
	{
		if (event.listener && !wanted_.matches(event.listener, event.address))
			return;
		write([&](Microseconds at) { return event_line(at, event); });
		events_++;
	}

	void finish(const char *reason)
	{
		/* So that what came since the last one is not lost. */
		sample();
		if (verdicts_.has_watched())
			verdict();
		end(reason);
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
			events_, output_->written() / 1024);
		line.resize(std::min<std::size_t>(line.size(), size.ws_col - 1));
		fmt::print(stderr, "\r{}\033[K", line);
	}

	const Options &options_;
	Wanted wanted_;
	Microseconds interval_;
	std::optional<Microseconds> duration_;
	Genl genl_;
	std::optional<Output> output_;
	Verdicts verdicts_;
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
	command->add_option("-o,--output", o->output, "The file, - is stdout; a ring's directory")
		->required();
	command->add_option("-i,--interval", o->interval,
			    "Between samples, such as 100ms or 5s; 1s unless given");
	command->add_option(
		"-d,--duration", o->duration,
		"How long, until a signal unless given; what a ring keeps, 1h unless given");
	auto *append = command->add_flag("-a,--append", o->append,
					 "Add to a file that holds recordings already");
	auto *ring = command->add_flag("-r,--ring", o->ring,
				       "Keep the last hour, in a directory, until a signal")
			     ->excludes(append);
	command->add_option("-s,--size", o->size, "A ring's, in MB; 64 unless given")
		->check(CLI::Range(1, 1'000'000))
		->needs(ring);
	command->add_option("LISTENER", o->listeners, "@ID, or as in list; none: all of them");
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
