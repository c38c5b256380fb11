// SPDX-License-Identifier: GPL-2.0
/* Selections: words to a tree of conditions, by recursive descent. */
#include "model/selection.hh"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>

#include "base/error.hh"
#include "base/nearest.hh"
#include "model/limit.hh"

namespace lqctl {

/* Nothing more than a test; what it needs lies in the closure. */
class Condition final {
public:
	using Test = std::function<bool(const Listener &)>;
	explicit Condition(Test test) : test_(std::move(test)) {}
	[[nodiscard]] bool operator()(const Listener &l) const { return test_(l); }

private:
	Test test_;
};

namespace {

using Test = Condition::Test;

enum class Relation { eq, ne, lt, gt, le, ge };

/* ss(8) has these, with their words. */
std::optional<Relation> find_relation(std::string_view word)
{
	constexpr struct {
		std::string_view word;
		Relation relation;
	} all[] = {
		{"=", Relation::eq},   {"==", Relation::eq}, {"eq", Relation::eq},
		{"!=", Relation::ne},  {"ne", Relation::ne}, {"neq", Relation::ne},
		{"<", Relation::lt},   {"lt", Relation::lt}, {">", Relation::gt},
		{"gt", Relation::gt},  {"<=", Relation::le}, {"le", Relation::le},
		{"leq", Relation::le}, {">=", Relation::ge}, {"ge", Relation::ge},
		{"geq", Relation::ge},
	};
	for (const auto &one : all) {
		if (one.word == word)
			return one.relation;
	}
	return std::nullopt;
}

bool holds(Relation relation, std::uint64_t a, std::uint64_t b)
{
	switch (relation) {
	case Relation::eq:
		return a == b;
	case Relation::ne:
		return a != b;
	case Relation::lt:
		return a < b;
	case Relation::gt:
		return a > b;
	case Relation::le:
		return a <= b;
	case Relation::ge:
		return a >= b;
	}
	return false;
}

constexpr std::string_view help =
	"filter by :PORT, ADDRESS or ADDRESS:PORT (an IPv6 address with a port as [::1]:80), @ID, "
	"or as in \"sport = :80\", \"policy = aix\", \"name = nginx\", \"drops > 0\", with and, "
	"or, "
	"not and ( )";

struct NumberField {
	std::string_view name;
	std::uint64_t (*of)(const Listener &);
};

constexpr NumberField number_fields[] = {
	{"id", [](const Listener &l) -> std::uint64_t { return l.id; }},
	{"uid", [](const Listener &l) -> std::uint64_t { return l.uid; }},
	{"inode", [](const Listener &l) -> std::uint64_t { return l.inode; }},
	{"backlog", [](const Listener &l) -> std::uint64_t { return l.backlog; }},
	{"recv-q", [](const Listener &l) -> std::uint64_t { return l.accept_qlen; }},
	{"syn-q", [](const Listener &l) -> std::uint64_t { return l.syn_qlen; }},
	{"drops", [](const Listener &l) { return total_drops(l.drops); }},
};

/* Words, operators and parentheses, which need no space around them. */
std::vector<std::string> tokens_of(std::string_view text)
{
	std::vector<std::string> tokens;
	std::string word;
	const auto flush = [&] {
		if (!word.empty())
			tokens.push_back(std::exchange(word, ""));
	};

	for (std::size_t i = 0; i < text.size(); i++) {
		const char c = text[i];
		if (c == ' ' || c == '\t' || c == '\n') {
			flush();
		} else if (c == '(' || c == ')') {
			flush();
			tokens.emplace_back(1, c);
		} else if (std::string_view("=!<>&|").find(c) != std::string_view::npos) {
			flush();
			const char next = i + 1 < text.size() ? text[i + 1] : ' ';
			const bool two = next == '=' ? c != '&' && c != '|'
						     : next == c && (c == '&' || c == '|');
			tokens.emplace_back(text.substr(i, two ? 2 : 1));
			i += two;
		} else {
			word += c;
		}
	}
	flush();
	return tokens;
}

class Parser final {
public:
	explicit Parser(const std::string &text) : text_(text), tokens_(tokens_of(text)) {}

	Test parse()
	{
		if (tokens_.empty())
			throw fail("is empty");
		if (tokens_.size() > max_tokens)
			throw Error(fmt::format("a filter of {} words is too long: {} are enough",
						tokens_.size(), max_tokens));
		Test test = any();
		if (!at_end())
			throw fail(fmt::format("has \"{}\" where and, or or the end was expected",
					       peek()));
		return test;
	}
	[[nodiscard]] bool wants_processes() const { return wants_processes_; }

private:
	/* Deep enough for a person, and no stack of a machine's is at risk. */
	static constexpr unsigned max_depth = 64;
	static constexpr std::size_t max_tokens = 1000;

	[[nodiscard]] Error fail(std::string_view why) const
	{
		return Error(fmt::format("\"{}\" {}: {}", text_, why, help));
	}
	[[nodiscard]] bool at_end() const { return next_ == tokens_.size(); }
	[[nodiscard]] const std::string &peek() const { return tokens_[next_]; }
	bool take(std::initializer_list<std::string_view> words)
	{
		if (at_end() || std::find(words.begin(), words.end(), peek()) == words.end())
			return false;
		next_++;
		return true;
	}
	std::string word(std::string_view after)
	{
		if (at_end() || peek() == "(" || peek() == ")")
			throw fail(fmt::format("ends after \"{}\"", after));
		return tokens_[next_++];
	}

	Test any()
	{
		Test left = all();
		while (take({"or", "|", "||"})) {
			Test right = all();
			left = [left, right](const Listener &l) { return left(l) || right(l); };
		}
		return left;
	}
	Test all()
	{
		Test left = one();
		while (take({"and", "&", "&&"})) {
			Test right = one();
			left = [left, right](const Listener &l) { return left(l) && right(l); };
		}
		return left;
	}
	Test one()
	{
		if (++depth_ > max_depth)
			throw fail("is too deep");
		Test test;
		if (take({"not", "!"})) {
			Test inner = one();
			test = [inner](const Listener &l) { return !inner(l); };
		} else if (take({"("})) {
			test = any();
			if (!take({")"}))
				throw fail("lacks a )");
		} else {
			test = condition();
		}
		depth_--;
		return test;
	}

	Relation relation(const std::string &field)
	{
		const std::string given = word(field);
		if (const auto found = find_relation(given))
			return *found;
		throw fail(fmt::format("has \"{}\" after {}, where =, !=, <, >, <= or >= belongs",
				       given, field));
	}
	/* Of fields that are equal to something or not. */
	bool equal(const std::string &field)
	{
		const Relation found = relation(field);
		if (found != Relation::eq && found != Relation::ne)
			throw fail(fmt::format("compares {}, which takes = and != only", field));
		return found == Relation::eq;
	}

	Test condition()
	{
		const std::string field = word(next_ ? tokens_[next_ - 1] : "");
		for (const NumberField &known : number_fields) {
			if (known.name == field)
				return number(field, known.of);
		}
		if (field == "sport")
			return sport();
		if (field == "src")
			return src();
		if (field == "policy")
			return policy();
		if (field == "name")
			return name();
		if (field == "dst" || field == "dport")
			throw fail("asks for a peer, which no listener has");
		if (field.starts_with('@'))
			return id(field);
		return address(field);
	}

	std::uint64_t take_number(const std::string &text)
	{
		std::uint64_t value = 0;
		const char *last = text.data() + text.size();
		const auto [end, error] = std::from_chars(text.data(), last, value);
		if (error != std::errc{} || end != last)
			throw fail(fmt::format("has \"{}\" where a number belongs", text));
		return value;
	}
	Test number(const std::string &field, std::uint64_t (*of)(const Listener &))
	{
		const Relation r = relation(field);
		const std::uint64_t value = take_number(word(field));
		return [=](const Listener &l) { return holds(r, of(l), value); };
	}
	Test id(const std::string &text)
	{
		const std::uint64_t id = parse_listener_id(text);
		return [id](const Listener &l) { return l.id == id; };
	}
	Test sport()
	{
		const Relation r = relation("sport");
		const std::string text = word("sport");
		const auto port = parse_port(text.starts_with(':') ? text.substr(1) : text);
		if (!port)
			throw fail(fmt::format("has \"{}\", which names no TCP port", text));
		return [r, port = *port](const Listener &l) {
			return holds(r, l.address.port, port);
		};
	}
	Test src()
	{
		bool is = true;
		if (!at_end() && find_relation(peek()))
			is = equal("src");
		const Filter filter(word("src"));
		return [=](const Listener &l) { return filter.matches(l.address) == is; };
	}
	Test policy()
	{
		const bool is = equal("policy");
		const std::string wanted = word("policy");
		std::vector<std::string> known = policy_names();
		known.emplace_back("tcp"); /* of a listener that is not ours */
		if (std::find(known.begin(), known.end(), wanted) == known.end()) {
			const std::string meant = nearest(wanted, known);
			throw Error(fmt::format("there is no policy \"{}\": {}", wanted,
						meant.empty() ? "docs/semantics.md has them all"
							      : "did you mean \"" + meant + "\"?"));
		}
		return [=](const Listener &l) { return (l.policy == wanted) == is; };
	}
	Test name()
	{
		const bool is = equal("name");
		const std::string wanted = word("name");
		wants_processes_ = true;
		return [=](const Listener &l) {
			return std::any_of(l.processes.begin(), l.processes.end(),
					   [&](const Process &p) { return p.name == wanted; }) ==
			       is;
		};
	}
	/* A word alone that is neither a port nor an address: a field, or a program. */
	[[noreturn]] void misread(const std::string &text) const
	{
		std::vector<std::string> fields = {"sport", "src", "policy", "name"};
		for (const NumberField &known : number_fields)
			fields.emplace_back(known.name);
		const std::string meant = nearest(text, fields);
		const bool compared = !at_end() && find_relation(peek());

		if (!meant.empty() || compared)
			throw Error(fmt::format("nothing is known as \"{}\": {}", text,
						meant.empty() ? std::string(help)
							      : "did you mean \"" + meant + "\"?"));
		throw Error(
			fmt::format("\"{0}\" is no port or address: did you mean \"name = {0}\"? "
				    "For more see lqctl(8)",
				    text));
	}
	static bool is_word(const std::string &text)
	{
		return std::isalpha(static_cast<unsigned char>(text[0])) &&
		       text.find_first_of(":/[]*") == text.npos;
	}
	Test address(const std::string &text)
	{
		if (is_word(text))
			misread(text);
		const Filter filter(text);
		return [=](const Listener &l) { return filter.matches(l.address); };
	}

	const std::string &text_;
	std::vector<std::string> tokens_;
	std::size_t next_ = 0;
	unsigned depth_ = 0;
	bool wants_processes_ = false;
};

std::string joined(const std::vector<std::string> &words)
{
	std::string text;
	for (const std::string &word : words)
		text += (text.empty() ? "" : " ") + word;
	return text;
}

} // namespace

std::uint64_t parse_listener_id(const std::string &text)
{
	std::uint64_t id = 0;
	const char *last = text.data() + text.size();
	const auto [end, error] = std::from_chars(text.data() + 1, last, id);
	if (error != std::errc{} || end != last || id == 0)
		throw Error(fmt::format("\"{}\" is no listener: write its id as @7; "
					"\"lqctl list -e\" shows it",
					text));
	return id;
}

Selection::Selection() = default;
Selection::~Selection() = default;
Selection::Selection(Selection &&) noexcept = default;
Selection &Selection::operator=(Selection &&) noexcept = default;

Selection::Selection(const std::vector<std::string> &words)
{
	if (words.empty())
		return;
	text_ = joined(words);
	Parser parser(text_);
	root_ = std::make_unique<Condition>(parser.parse());
	wants_processes_ = parser.wants_processes();
}

Selection::Selection(const std::string &text) : Selection(std::vector<std::string>{text}) {}

bool Selection::matches(const Listener &listener) const
{
	return !root_ || (*root_)(listener);
}

} // namespace lqctl
