// SPDX-License-Identifier: GPL-2.0
/* Recordings: lines written, and read again whatever happened to them meanwhile. */
#include "report/recording.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <map>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/json.hh"

namespace lqctl {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char *header_type = "listenq-recording";
constexpr std::int64_t longest_us = std::int64_t{3653} * 24 * 3600 * 1'000'000;

ordered_json nonzero(const Counters &counters)
{
	auto object = ordered_json::object();
	for (const Counter &counter : counters) {
		if (counter.value)
			object[counter.name] = counter.value;
	}
	return object;
}

ordered_json observation(const Listener &l)
{
	ordered_json object;

	object["id"] = l.id;
	object["local"] = to_string(l.address, true);
	object["policy"] = l.policy;
	if (!l.accept_filter.empty())
		object["accept_filter"] = l.accept_filter;
	object["backlog_asked"] = l.backlog_asked;
	for (const Number &n : numbers) {
		if (*n.metric)
			object[n.name] = l.*n.member;
	}
	object["drops"] = nonzero(l.drops);
	object["events"] = nonzero(l.events);
	object["accept_wait"] = l.accept_wait.octaves().counts();
	if (l.accept_wait.fine())
		object["accept_wait_fine"] = l.accept_wait.counts();
	if (l.handshake.fine())
		object["handshake"] = l.handshake.counts();
	return object;
}

/* Thrown inside a line, to pass it over. */
struct Damaged {};

/* --- members of an object: there and of the type, or the line is damaged --- */

std::uint64_t number(const json &object, const char *name)
{
	const auto it = object.find(name);
	if (it == object.end() || !it->is_number_unsigned())
		throw Damaged();
	return it->get<std::uint64_t>();
}

std::uint64_t number_or_0(const json &object, const char *name)
{
	return object.contains(name) ? number(object, name) : 0;
}

std::int64_t signed_number(const json &object, const char *name)
{
	const auto it = object.find(name);
	if (it == object.end() || !it->is_number_integer())
		throw Damaged();
	return it->get<std::int64_t>();
}

std::string text(const json &object, const char *name)
{
	const auto it = object.find(name);
	if (it == object.end() || !it->is_string())
		throw Damaged();
	return it->get<std::string>();
}

/* Without a member of that name: none. */
std::vector<std::string> texts(const json &object, const char *name)
{
	const auto it = object.find(name);
	std::vector<std::string> all;

	if (it == object.end())
		return all;
	if (!it->is_array())
		throw Damaged();
	for (const json &one : *it) {
		if (!one.is_string())
			throw Damaged();
		all.push_back(one.get<std::string>());
	}
	return all;
}

Microseconds elapsed(const json &object)
{
	const std::int64_t us = signed_number(object, "elapsed_us");
	if (us < 0 || us > longest_us)
		throw Damaged();
	return Microseconds(us);
}

class Reader final {
public:
	explicit Reader(const std::string &name) : name_(name) {}

	Recording read(std::istream &in)
	{
		std::string text;
		bool bad = false; /* the line before, which a header or the end excuses */

		while (std::getline(in, text)) {
			if (text.find_first_not_of(" \t\r") == std::string::npos)
				continue;
			const json object = json::parse(text, nullptr, false);
			const bool is_header = object.is_object() && object.contains("type") &&
					       object["type"] == header_type;
			if (out_.segments.empty() && !is_header)
				throw Error(fmt::format("{} is no recording of lqctl: it does not "
							"begin as \"lqctl record\" writes it",
							name_));
			if (bad && !is_header)
				out_.damaged++;
			bad = !take(object, is_header);
		}
		if (in.bad())
			throw Error(fmt::format("cannot read {}", name_));
		if (out_.segments.empty())
			throw Error(fmt::format("{} is empty: nothing was recorded", name_));
		return std::move(out_);
	}

private:
	/* False: it is damaged. */
	bool take(const json &object, bool is_header)
	try {
		if (!object.is_object())
			return false;
		if (is_header) {
			header(object);
			return true;
		}
		const std::string type = text(object, "type");
		if (type == "sample")
			sample(object);
		else if (type == "event")
			event(object);
		else if (type == "verdict")
			verdicts(object);
		else if (type == "end")
			out_.segments.back().end = text(object, "reason");
		/* Else of a later lqctl, which says by the version what must be understood. */
		return true;
	} catch (const Damaged &) {
		return false;
	} catch (const json::exception &) {
		return false;
	}

	void header(const json &object)
	{
		const std::uint64_t version = number(object, "version");
		if (version != recording_version)
			throw Error(fmt::format("{} was recorded in format {}, and this lqctl {} "
						"reads format {}: use the lqctl that recorded it",
						name_, version, LISTENQ_VERSION,
						recording_version));
		Segment segment;
		segment.time_ns = signed_number(object, "time_ns");
		const std::int64_t interval = signed_number(object, "interval_us");
		if (segment.time_ns < 0 || interval < 1 || interval > longest_us)
			throw Error(fmt::format("{}: the header makes no sense", name_));
		segment.interval = Microseconds(interval);
		segment.lqctl = text(object, "lqctl");
		if (object.contains("host"))
			segment.host = text(object, "host");
		out_.segments.push_back(std::move(segment));
		last_ = Microseconds(0);
	}

	void sample(const json &object)
	{
		Sample sample;
		sample.elapsed = elapsed(object);
		/* Time does not go back: the line is not of this recording. */
		if (sample.elapsed < last_)
			throw Damaged();
		const auto complete = object.find("complete");
		sample.complete = complete == object.end() || complete->get<bool>();
		const auto listeners = object.find("listeners");
		if (listeners == object.end() || !listeners->is_array())
			throw Damaged();
		for (const json &listener : *listeners)
			sample.listeners.push_back(observation(listener));
		last_ = sample.elapsed;
		out_.segments.back().samples.push_back(std::move(sample));
	}

	RecordedListener observation(const json &object)
	{
		RecordedListener o;

		if (!object.is_object())
			throw Damaged();
		o.id = number(object, "id");
		o.local = text(object, "local");
		o.policy = text(object, "policy");
		if (object.contains("accept_filter"))
			o.accept_filter = text(object, "accept_filter");
		o.backlog_asked = signed_number(object, "backlog_asked");
		read_numbers(o, object);
		o.drops = counters(object, "drops");
		o.events = counters(object, "events");
		if (!object.contains("accept_wait"))
			throw Damaged();
		o.accept_wait = buckets(object, "accept_wait", 64);
		o.accept_wait_fine = buckets(object, "accept_wait_fine", LISTENQ_WAIT_BUCKETS);
		o.handshake = buckets(object, "handshake", LISTENQ_WAIT_BUCKETS);
		return o;
	}

	/* None: of an older lqctl, or an older module. */
	static std::vector<std::uint64_t> buckets(const json &object, const char *name,
						  std::size_t most)
	{
		std::vector<std::uint64_t> counts;
		const auto it = object.find(name);

		if (it == object.end())
			return counts;
		if (!it->is_array() || it->size() > most)
			throw Damaged();
		for (const json &count : *it) {
			if (!count.is_number_unsigned())
				throw Damaged();
			counts.push_back(count.get<std::uint64_t>());
		}
		return counts;
	}

	/* The later numbers of the list are not in the recordings of an older lqctl. */
	static void read_numbers(RecordedListener &o, const json &object)
	{
#define FIRST(attribute, NAME, name, place, metric, text)                                          \
	if (*metric)                                                                               \
		o.name = number(object, #name);
		LISTENQ_NUMBERS_FIRST(FIRST)
#undef FIRST
#define LATER(attribute, NAME, name, place, metric, text)                                          \
	if (*metric)                                                                               \
		o.name = number_or_0(object, #name);
		LISTENQ_NUMBERS_LATER(LATER)
#undef LATER
	}

	NamedCounters counters(const json &object, const char *member)
	{
		const auto it = object.find(member);
		NamedCounters counters;

		if (it == object.end() || !it->is_object())
			throw Damaged();
		for (const auto &[name, value] : it->items()) {
			if (!value.is_number_unsigned())
				throw Damaged();
			if (value != 0)
				counters.emplace_back(name_index(name), value.get<std::uint64_t>());
		}
		std::sort(counters.begin(), counters.end());
		return counters;
	}

	std::uint16_t name_index(const std::string &name)
	{
		const auto it = indices_.find(name);
		if (it != indices_.end())
			return it->second;
		if (out_.names.size() >= 1000)
			throw Damaged();
		const auto index = static_cast<std::uint16_t>(out_.names.size());
		out_.names.push_back(name);
		indices_.emplace(name, index);
		return index;
	}

	void event(const json &object)
	{
		RecordedEvent e;
		e.elapsed = elapsed(object);
		e.type = text(object, "event");
		if (object.contains("id")) {
			e.id = number(object, "id");
			e.local = text(object, "local");
			e.backlog_asked = signed_number(object, "backlog_asked");
			e.backlog = number(object, "backlog");
		}
		if (object.contains("reason"))
			e.reason = text(object, "reason");
		e.count = number_or_0(object, "count");
		out_.segments.back().events.push_back(std::move(e));
	}

	void verdicts(const json &object)
	{
		const auto listeners = object.find("listeners");
		if (listeners == object.end() || !listeners->is_array())
			throw Damaged();
		for (const json &listener : *listeners) {
			RecordedVerdict v;
			v.elapsed = elapsed(object);
			v.id = number(listener, "id");
			v.local = text(listener, "local");
			v.program = text(listener, "program");
			v.unit = text(listener, "unit");
			const auto findings = listener.find("findings");
			if (findings == listener.end() || !findings->is_array())
				throw Damaged();
			for (const json &f : *findings)
				v.findings.push_back({text(f, "code"), text(f, "severity"),
						      text(f, "text"), texts(f, "commands")});
			out_.segments.back().verdicts.push_back(std::move(v));
		}
	}

	const std::string &name_;
	Recording out_;
	std::map<std::string, std::uint16_t> indices_;
	Microseconds last_{};
};

} // namespace

std::string header_line(std::uint64_t time_ns, Microseconds interval,
			const std::vector<std::string> &filters, const std::string &host)
{
	ordered_json object;

	object["type"] = header_type;
	object["version"] = recording_version;
	object["lqctl"] = LISTENQ_VERSION;
	if (!host.empty())
		object["host"] = host;
	object["time"] = utc_text(time_ns, 3);
	object["time_ns"] = time_ns;
	object["interval_us"] = interval.count();
	object["filters"] = filters;
	return json_line(object);
}

std::string sample_line(Microseconds elapsed, bool complete, const std::vector<Listener> &listeners)
{
	ordered_json object;

	object["type"] = "sample";
	object["elapsed_us"] = elapsed.count();
	object["complete"] = complete;
	object["listeners"] = ordered_json::array();
	for (const Listener &l : listeners)
		object["listeners"].push_back(observation(l));
	return json_line(object);
}

std::string event_line(Microseconds elapsed, const Event &event)
{
	ordered_json object;

	object["type"] = "event";
	object["elapsed_us"] = elapsed.count();
	if (event.listener)
		object["local"] = to_string(event.address, true);
	object.update(to_json(event));
	return json_line(object);
}

std::string verdict_line(Microseconds elapsed, const std::vector<RecordedVerdict> &verdicts)
{
	ordered_json object;

	object["type"] = "verdict";
	object["elapsed_us"] = elapsed.count();
	object["listeners"] = ordered_json::array();
	for (const RecordedVerdict &v : verdicts) {
		ordered_json listener;
		listener["id"] = v.id;
		listener["local"] = v.local;
		listener["program"] = v.program;
		listener["unit"] = v.unit;
		listener["findings"] = ordered_json::array();
		for (const RecordedFinding &f : v.findings)
			listener["findings"].push_back({{"code", f.code},
							{"severity", f.severity},
							{"text", f.text},
							{"commands", f.commands}});
		object["listeners"].push_back(std::move(listener));
	}
	return json_line(object);
}

std::string end_line(Microseconds elapsed, const std::string &reason)
{
	ordered_json object;

	object["type"] = "end";
	object["elapsed_us"] = elapsed.count();
	object["reason"] = reason;
	return json_line(object);
}

std::size_t Recording::samples() const
{
	std::size_t count = 0;
	for (const Segment &segment : segments)
		count += segment.samples.size();
	return count;
}

Recording read_recording(std::istream &in, const std::string &name)
{
	return Reader(name).read(in);
}

} // namespace lqctl
