// SPDX-License-Identifier: GPL-2.0
/* Series: from samples to columns, from counters to what was added. */
#include "report/series.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/timespan.hh"
#include "model/histogram.hh"

namespace lqctl {

namespace {

/* The value of a counter; they are in ascending order. */
std::uint64_t value(const NamedCounters &counters, std::uint16_t name)
{
	const auto it = std::lower_bound(counters.begin(), counters.end(), name,
					 [](const auto &one, auto n) { return one.first < n; });
	return it != counters.end() && it->first == name ? it->second : 0;
}

bool went_back(const NamedCounters &from, const NamedCounters &to)
{
	return std::any_of(from.begin(), from.end(),
			   [&](const auto &one) { return value(to, one.first) < one.second; });
}

/* A sample on the timeline. */
struct Moment {
	std::int64_t time_us;
	const Sample *sample;
	std::size_t segment;
	bool gap; /* between it and the one before */
};

class Builder final {
public:
	Builder(const Recording &recording, std::size_t max_columns) : recording_(recording)
	{
		timeline_.names = &recording.names;
		place_segments();
		make_columns(std::max<std::size_t>(max_columns, 1));
	}

	Timeline build()
	{
		for (std::size_t i = 0; i < moments_.size(); i++)
			take(i);
		find_episodes();
		for (Track &track : tracks_)
			finish(track);
		std::stable_sort(timeline_.listeners.begin(), timeline_.listeners.end(),
				 [](const Series &a, const Series &b) {
					 return std::pair(total(a.drops), total(a.events)) >
						std::pair(total(b.drops), total(b.events));
				 });
		return std::move(timeline_);
	}

private:
	struct Track {
		Series series;
		std::size_t last_moment = 0;
		const RecordedListener *last = nullptr;
	};

	/* Where each segment stands: by the clock, but never before the end of another. */
	void place_segments()
	{
		std::int64_t end = 0;

		timeline_.begin_ns = recording_.segments.front().time_ns;
		timeline_.interval = recording_.segments.front().interval;
		for (std::size_t s = 0; s < recording_.segments.size(); s++) {
			const Segment &segment = recording_.segments[s];
			const std::int64_t begin =
				std::max(end, (segment.time_ns - timeline_.begin_ns) / 1000);
			timeline_.segment_begins_us.push_back(begin);
			for (const Sample &sample : segment.samples) {
				const std::int64_t time = begin + sample.elapsed.count();
				const bool gap =
					!moments_.empty() && (moments_.back().segment != s ||
							      2 * (time - moments_.back().time_us) >
								      5 * segment.interval.count());
				moments_.push_back({time, &sample, s, gap});
				end = time;
			}
			for (const RecordedEvent &event : segment.events) {
				timeline_.events.emplace_back(begin + event.elapsed.count(),
							      &event);
				end = std::max(end, begin + event.elapsed.count());
			}
		}
		timeline_.end_us = end;
	}

	/* Column i holds the time before moment i, or some of them; gaps are columns of their own.
	 */
	void make_columns(std::size_t max)
	{
		const std::size_t spans = moments_.size() > 1 ? moments_.size() - 1 : 0;
		const std::size_t group = std::max<std::size_t>((spans + max - 1) / max, 1);
		std::size_t in_group = 0;

		timeline_.samples_per_column = static_cast<unsigned>(group);
		column_of_.assign(moments_.size(), 0);
		for (std::size_t i = 1; i < moments_.size(); i++) {
			const Moment &m = moments_[i];
			auto &columns = timeline_.columns;
			if (columns.empty() || m.gap || columns.back().gap || in_group == group) {
				columns.push_back({moments_[i - 1].time_us, m.time_us, m.gap});
				in_group = 0;
			}
			columns.back().end_us = m.time_us;
			in_group++;
			column_of_[i] = columns.size() - 1;
		}
		/* One sample alone is a column, too. */
		if (timeline_.columns.empty() && !moments_.empty())
			timeline_.columns.push_back(
				{moments_[0].time_us, moments_[0].time_us, false});
	}

	Track &track_of(const RecordedListener &o)
	{
		const auto key = std::pair(o.id, o.local);
		const auto [it, fresh] = index_.try_emplace(key, tracks_.size());
		if (fresh) {
			Track &track = tracks_.emplace_back();
			track.series.id = o.id;
			track.series.local = o.local;
			track.series.first = o;
			track.series.cells.resize(timeline_.columns.size());
		}
		return tracks_[it->second];
	}

	void take(std::size_t i)
	{
		for (const RecordedListener &o : moments_[i].sample->listeners)
			observe(track_of(o), o, i);
	}

	void observe(Track &track, const RecordedListener &o, std::size_t i)
	{
		Series &s = track.series;
		Cell &cell = s.cells[column_of_[i]];
		const Moment &now = moments_[i];

		if (!track.last) {
			s.begin_us = now.time_us;
			/* It began after the sample before, which had all there were. */
			if (i > 0 && now.segment == moments_[i - 1].segment &&
			    moments_[i - 1].sample->complete) {
				static const RecordedListener nothing;
				s.came = true;
				s.begin_us = moments_[i - 1].time_us;
				count(s, cell, nothing, o, now.time_us - s.begin_us);
			}
		} else if (now.segment == moments_[track.last_moment].segment) {
			/* Over samples that left it out, too: what was added is all in the last. */
			count(s, cell, *track.last, o,
			      now.time_us - moments_[track.last_moment].time_us);
		} else if (lqctl::went_back(*track.last, o)) {
			s.resets++;
		}
		lengths(cell, o);
		s.end_us = now.time_us;
		s.last = o;
		track.last = &o;
		track.last_moment = i;
	}

	static void count(Series &s, Cell &cell, const RecordedListener &from,
			  const RecordedListener &to, std::int64_t us)
	{
		static const RecordedListener nothing;
		const bool reset = lqctl::went_back(from, to);
		const RecordedListener &base = reset ? nothing : from;

		s.resets += reset;
		cell.covered_us += us;
		add(cell.drops, added(base.drops, to.drops));
		add(cell.events, added(base.events, to.events));
		add(cell.accept_wait, added(base.accept_wait, to.accept_wait));
		add(s.accept_wait_fine, added(base.accept_wait_fine, to.accept_wait_fine));
		add(s.handshake, added(base.handshake, to.handshake));
		if (to.accept_qlen_peak > base.accept_qlen_peak)
			cell.accept_peak = std::max(cell.accept_peak, to.accept_qlen_peak);
		if (to.syn_qlen_peak > base.syn_qlen_peak)
			cell.syn_peak = std::max(cell.syn_peak, to.syn_qlen_peak);
	}

	static void lengths(Cell &cell, const RecordedListener &o)
	{
		cell.sampled = true;
		cell.accept_qlen = std::max(cell.accept_qlen, o.accept_qlen);
		cell.accept_limit = o.accept_limit;
		cell.syn_qlen = std::max(cell.syn_qlen, o.syn_qlen);
		cell.syn_young = std::max(cell.syn_young, o.syn_young);
		cell.syn_limit = o.syn_limit;
	}

	/* What the events of one listener begin and end. */
	void find_episodes()
	{
		for (std::size_t s = 0; s < recording_.segments.size(); s++) {
			const Segment &segment = recording_.segments[s];
			std::map<std::pair<std::uint64_t, std::string>, Series *> listeners;
			for (Track &track : tracks_)
				listeners[{track.series.id, track.series.local}] = &track.series;
			const std::int64_t end =
				timeline_.segment_begins_us[s] +
				std::max(segment.samples.empty() ? Microseconds(0)
								 : segment.samples.back().elapsed,
					 segment.events.empty() ? Microseconds(0)
								: segment.events.back().elapsed)
					.count();
			for (const RecordedEvent &event : segment.events) {
				const auto it = listeners.find({event.id, event.local});
				if (it == listeners.end())
					continue;
				const std::int64_t time =
					timeline_.segment_begins_us[s] + event.elapsed.count();
				Series &series = *it->second;
				if (event.type == "overflow_began" ||
				    event.type == "overflow_ended")
					mark(series.overflows, event, time,
					     timeline_.segment_begins_us[s]);
				else if (event.type == "cookies_began" ||
					 event.type == "cookies_ended")
					mark(series.cookies, event, time,
					     timeline_.segment_begins_us[s]);
				else if (event.type == "listener_stopped")
					series.went = true;
			}
			for (Track &track : tracks_) {
				for (auto *episodes :
				     {&track.series.overflows, &track.series.cookies}) {
					if (!episodes->empty() && episodes->back().open &&
					    episodes->back().end_us < end)
						episodes->back().end_us = end;
				}
			}
		}
	}

	static void mark(std::vector<Episode> &episodes, const RecordedEvent &event,
			 std::int64_t time, std::int64_t segment_begin)
	{
		if (event.type.ends_with("_began")) {
			episodes.push_back({time, time, true, event.reason, 0});
			return;
		}
		/* One that had begun before the recording did. */
		if (episodes.empty() || !episodes.back().open)
			episodes.push_back({segment_begin, time, true, event.reason, 0});
		Episode &episode = episodes.back();
		episode.end_us = time;
		episode.open = false;
		episode.count = event.count;
	}

	void finish(Track &track)
	{
		Series &s = track.series;

		for (const Cell &cell : s.cells) {
			add(s.drops, cell.drops);
			add(s.events, cell.events);
			add(s.accept_wait, cell.accept_wait);
			s.accept_max = std::max({s.accept_max, cell.accept_qlen, cell.accept_peak});
			s.syn_max = std::max({s.syn_max, cell.syn_qlen, cell.syn_peak});
		}
		/* It is not in the last sample that had all there were. */
		if (!moments_.empty() && track.last_moment + 1 < moments_.size() &&
		    moments_.back().sample->complete)
			s.went = true;
		timeline_.listeners.push_back(std::move(s));
	}

	const Recording &recording_;
	Timeline timeline_;
	std::vector<Moment> moments_;
	std::vector<std::size_t> column_of_;
	std::vector<Track> tracks_;
	std::map<std::pair<std::uint64_t, std::string>, std::size_t> index_;
};

} // namespace

bool went_back(const RecordedListener &from, const RecordedListener &to)
{
	if (from.accept_wait.size() > to.accept_wait.size())
		return true;
	return went_back(from.drops, to.drops) || went_back(from.events, to.events);
}

NamedCounters added(const NamedCounters &from, const NamedCounters &to)
{
	NamedCounters more;
	for (const auto &[name, count] : to) {
		const std::uint64_t before = value(from, name);
		if (count > before)
			more.emplace_back(name, count - before);
	}
	return more;
}

std::vector<std::uint64_t> added(const std::vector<std::uint64_t> &from,
				 const std::vector<std::uint64_t> &to)
{
	std::vector<std::uint64_t> more = to;
	for (std::size_t i = 0; i < more.size() && i < from.size(); i++)
		more[i] -= std::min(from[i], more[i]);
	return more;
}

void add(NamedCounters &sum, const NamedCounters &more)
{
	for (const auto &[name, count] : more) {
		const auto it =
			std::lower_bound(sum.begin(), sum.end(), name,
					 [](const auto &one, auto n) { return one.first < n; });
		if (it != sum.end() && it->first == name)
			it->second += count;
		else
			sum.emplace(it, name, count);
	}
}

void add(std::vector<std::uint64_t> &sum, const std::vector<std::uint64_t> &more)
{
	if (sum.size() < more.size())
		sum.resize(more.size());
	for (std::size_t i = 0; i < more.size(); i++)
		sum[i] += more[i];
}

std::uint64_t total(const NamedCounters &counters)
{
	std::uint64_t sum = 0;
	for (const auto &one : counters)
		sum += one.second;
	return sum;
}

std::uint64_t percentile_us(const std::vector<std::uint64_t> &buckets, unsigned percent)
{
	long double all = 0, below = 0;

	for (const std::uint64_t count : buckets)
		all += static_cast<long double>(count);
	if (all == 0)
		return 0;
	for (std::size_t i = 0; i < buckets.size(); i++) {
		below += static_cast<long double>(buckets[i]);
		if (below * 100 >= all * percent)
			return i + 1 < LISTENQ_HIST_BUCKETS
				       ? std::uint64_t{1} << i
				       : std::numeric_limits<std::uint64_t>::max();
	}
	return std::numeric_limits<std::uint64_t>::max();
}

std::string below_text(std::uint64_t us)
{
	if (us == 0)
		return "-";
	if (us == std::numeric_limits<std::uint64_t>::max())
		return "≥ 1024 s";
	if (us < 1024)
		return fmt::format("< {} us", us);
	if (us < 1024 * 1024)
		return fmt::format("< {} ms", us / 1024);
	return fmt::format("< {} s", us / (1024 * 1024));
}

std::string percentile_text(const std::vector<std::uint64_t> &coarse,
			    const std::vector<std::uint64_t> &fine, unsigned percent)
{
	const Histogram all(fine, Histogram::Scale::fine);
	const auto us = all.percentile_us(percent);

	/* Who is counted back is missed in a bucket, which is seen in small ones only. */
	if (us && all.count() >= Histogram(coarse).count())
		return duration_text(*us);
	return below_text(percentile_us(coarse, percent));
}

std::uint64_t Timeline::count(const NamedCounters &counters, const char *name) const
{
	const auto it = std::find(names->begin(), names->end(), name);
	if (it == names->end())
		return 0;
	return value(counters, static_cast<std::uint16_t>(it - names->begin()));
}

Timeline make_timeline(const Recording &recording, std::size_t max_columns)
{
	return Builder(recording, max_columns).build();
}

} // namespace lqctl
