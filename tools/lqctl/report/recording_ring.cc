// SPDX-License-Identifier: GPL-2.0
/* Rings: files that come by rename(2) and go by unlink(2). */
#include "report/recording_ring.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <system_error>

#include "base/error.hh"
#include "base/file.hh"

namespace lqctl {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view suffix = ".jsonl";
/* What is written behind the last line that fits: an end. */
constexpr std::size_t reserve = 256;

Error failed(const char *what, const fs::path &name)
{
	return Error(fmt::format("cannot {} {}: {}", what, name.string(),
				 std::generic_category().message(errno)));
}

/* 0: it is none of a ring's. */
std::uint64_t number_of(const fs::path &file)
{
	const std::string name = file.filename();
	std::uint64_t number = 0;

	if (!name.ends_with(suffix))
		return 0;
	const char *end = name.data() + name.size() - suffix.size();
	const auto [last, error] = std::from_chars(name.data(), end, number);
	return error == std::errc{} && last == end ? number : 0;
}

struct stat status_of(const fs::path &file)
{
	struct stat st {};

	(void)stat(file.c_str(), &st);
	return st;
}

} // namespace

std::vector<fs::path> ring_files(const fs::path &directory)
{
	std::vector<fs::path> files;
	std::error_code error;

	for (fs::directory_iterator it(directory, error), end; !error && it != end;
	     it.increment(error)) {
		if (number_of(it->path()))
			files.push_back(it->path());
	}
	if (error)
		throw Error(fmt::format("cannot read {}: {}", directory.string(), error.message()));
	std::sort(files.begin(), files.end(),
		  [](const fs::path &a, const fs::path &b) { return number_of(a) < number_of(b); });
	return files;
}

RecordingRing::RecordingRing(fs::path directory, Microseconds span, std::uint64_t bytes)
    : directory_(std::move(directory)), span_(span), bytes_(bytes)
{
	std::error_code error;

	if (mkdir(directory_.c_str(), 0755) < 0 && errno != EEXIST)
		throw failed("make", directory_);
	lock_ = Fd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (lock_.get() < 0)
		throw failed("record to", directory_);
	if (flock(lock_.get(), LOCK_EX | LOCK_NB) < 0)
		throw errno == EWOULDBLOCK ? Error(fmt::format("another lqctl is recording to {}",
							       directory_.string()))
					   : failed("lock", directory_);
	/* What one that was killed as it began a file left. */
	for (fs::directory_iterator it(directory_, error), end; !error && it != end;
	     it.increment(error)) {
		const std::string name = it->path().filename();
		const auto dot = name.rfind('.');
		if (dot != name.npos && number_of(name.substr(0, dot)))
			unlink(it->path().c_str());
	}
	const std::vector<fs::path> files = ring_files(directory_);
	if (!files.empty())
		number_ = number_of(files.back());
}

bool RecordingRing::is_full(std::size_t line) const
{
	return !file_ || file_->written() + line + reserve > bytes_ / parts ||
	       std::chrono::steady_clock::now() - began_ >= span_ / parts;
}

/* So that with @wanted more there are no more than there may be, and nothing that is too old. */
void RecordingRing::make_room(std::uint64_t wanted)
{
	const auto oldest =
		std::time(nullptr) - std::chrono::ceil<std::chrono::seconds>(span_).count();
	std::vector<fs::path> files = ring_files(directory_);
	std::uint64_t all = wanted;

	for (const fs::path &file : files)
		all += static_cast<std::uint64_t>(status_of(file).st_size);
	for (const fs::path &file : files) {
		const struct stat st = status_of(file);
		if (all <= bytes_ && st.st_mtime >= oldest)
			continue;
		if (unlink(file.c_str()) < 0 && errno != ENOENT)
			throw failed("remove", file);
		all -= static_cast<std::uint64_t>(st.st_size);
	}
}

void RecordingRing::begin(const std::string &header)
{
	file_.reset();
	make_room(bytes_ / parts);
	const fs::path name = directory_ / fmt::format("{:010}{}", ++number_, suffix);
	write_whole(name, header, 0644);
	file_ = std::make_unique<RecordingFile>(name, true);
	began_ = std::chrono::steady_clock::now();
	written_ += header.size();
}

void RecordingRing::write(const std::string &line)
{
	/* A part is larger than it should be where one line is. */
	if (line.size() > bytes_ / parts) {
		if (line.size() > bytes_ / 2)
			throw Error(fmt::format(
				"a sample of all these listeners takes {} kB, which is more than "
				"half "
				"of what the ring may have: let it have more by --size, or name a "
				"LISTENER",
				line.size() / 1024));
		make_room(line.size());
	}
	(void)file_->write(line);
	written_ += line.size();
}

} // namespace lqctl
