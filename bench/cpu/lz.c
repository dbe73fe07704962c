// Compression: repetitions are found through a hash table with chains, what remains is coded with
// canonical Huffman codes; then everything is unpacked again and compared.
#define CHECKSUM 0xf4c4b50bd20110db
#include "cpu.h"

enum {
    SIZE = 1 << 20,
    WINDOW = 1 << 15,
    HASH = 1 << 15,
    MIN_MATCH = 4,
    MAX_MATCH = 258,
    CHAIN = 24,
    SYMBOLS = 512, // 0-255 bytes; 256 + n: a match of length n + MIN_MATCH, its distance in 15 bits
    MAX_BITS = 15
};

static unsigned char input[SIZE], output[SIZE];
static unsigned char packed[2 * SIZE];

// A token is a byte, or length << 16 | distance.
static uint32_t tokens[SIZE];

// ---- Repetitions ----------------------------------------------------------------------------

static uint32_t hash(const unsigned char *p)
{
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

    return v * 2654435761U >> 17;
}

static size_t tokenize(void)
{
    static int32_t head[HASH], previous[SIZE];
    size_t count = 0;

    memset(head, 0xff, sizeof(head));
    for (size_t i = 0; i < SIZE;) {
        size_t length = 0, distance = 0, step = 1;

        if (i + MAX_MATCH < SIZE) {
            int32_t at = head[hash(input + i)];

            for (int n = 0; n < CHAIN && at >= 0 && i - (size_t)at < WINDOW; n++) {
                size_t k = 0;

                while (k < MAX_MATCH && input[(size_t)at + k] == input[i + k])
                    k++;
                if (k > length)
                    length = k, distance = i - (size_t)at;
                at = previous[at];
            }
        }
        if (length >= MIN_MATCH) {
            tokens[count++] = (uint32_t)length << 16 | (uint32_t)distance;
            step = length;
        } else {
            tokens[count++] = input[i];
        }
        for (; step--; i++)
            if (i + MAX_MATCH < SIZE) {
                uint32_t h = hash(input + i);

                previous[i] = head[h];
                head[h] = (int32_t)i;
            }
    }
    return count;
}

static unsigned symbol_of(uint32_t token)
{
    return token < 256 ? token : 256 + (token >> 16) - MIN_MATCH;
}

// ---- Codes ----------------------------------------------------------------------------------

struct code {
    uint32_t frequency[SYMBOLS];
    unsigned char length[SYMBOLS];
    uint16_t bits[SYMBOLS];
    uint16_t first[MAX_BITS + 2], offset[MAX_BITS + 2], count[MAX_BITS + 1];
    uint16_t sorted[SYMBOLS];
};

// Lengths of a Huffman code, by joining the two rarest again and again. When one becomes too long,
// the frequencies are flattened and it is done over.
static void make_lengths(struct code *c)
{
    for (;;) {
        uint64_t weight[2 * SYMBOLS];
        int parent[2 * SYMBOLS], nodes = SYMBOLS, longest = 0;

        for (int i = 0; i < SYMBOLS; i++)
            weight[i] = c->frequency[i];
        memset(parent, 0, sizeof(parent));
        for (;;) {
            int a = -1, b = -1;

            for (int i = 0; i < nodes; i++) {
                if (!weight[i] || parent[i])
                    continue;
                if (a < 0 || weight[i] < weight[a])
                    b = a, a = i;
                else if (b < 0 || weight[i] < weight[b])
                    b = i;
            }
            if (b < 0)
                break;
            weight[nodes] = weight[a] + weight[b];
            parent[a] = parent[b] = nodes++;
        }
        for (int i = 0; i < SYMBOLS; i++) {
            int length = 0;

            for (int n = i; c->frequency[i] && parent[n]; n = parent[n])
                length++;
            c->length[i] = (unsigned char)length;
            longest = length > longest ? length : longest;
        }
        if (longest <= MAX_BITS)
            return;
        for (int i = 0; i < SYMBOLS; i++)
            c->frequency[i] = (c->frequency[i] + 1) / 2;
    }
}

static void make_codes(struct code *c)
{
    unsigned next = 0, at = 0;

    memset(c->count, 0, sizeof(c->count));
    for (int i = 0; i < SYMBOLS; i++)
        c->count[c->length[i]]++;
    for (unsigned length = 1; length <= MAX_BITS; length++) {
        c->first[length] = (uint16_t)next;
        c->offset[length] = (uint16_t)at;
        for (unsigned i = 0; i < SYMBOLS; i++)
            if (c->length[i] == length) {
                c->bits[i] = (uint16_t)next++;
                c->sorted[at++] = (uint16_t)i;
            }
        next <<= 1;
    }
}

// ---- Bits -----------------------------------------------------------------------------------

struct stream {
    unsigned char *at;
    uint64_t bits;
    unsigned count;
};

static inline void put(struct stream *s, unsigned value, unsigned count)
{
    s->bits = s->bits << count | value;
    s->count += count;
    while (s->count >= 8)
        *s->at++ = (unsigned char)(s->bits >> (s->count -= 8));
}

static inline unsigned get(struct stream *s, unsigned count)
{
    while (s->count < count) {
        s->bits = s->bits << 8 | *s->at++;
        s->count += 8;
    }
    s->count -= count;
    return (unsigned)(s->bits >> s->count) & ((1U << count) - 1);
}

static size_t pack(const struct code *c, size_t count)
{
    struct stream s = {packed, 0, 0};

    for (size_t i = 0; i < count; i++) {
        unsigned symbol = symbol_of(tokens[i]);

        put(&s, c->bits[symbol], c->length[symbol]);
        if (symbol >= 256)
            put(&s, tokens[i] & 0x7fff, 15);
    }
    put(&s, 0, 16);
    return (size_t)(s.at - packed);
}

static size_t unpack(const struct code *c, size_t count)
{
    struct stream s = {packed, 0, 0};
    size_t size = 0;

    while (count--) {
        unsigned bits = 0, length = 0, symbol;

        do {
            bits = bits << 1 | get(&s, 1);
            length++;
        } while (bits - c->first[length] >= c->count[length]);
        symbol = c->sorted[c->offset[length] + bits - c->first[length]];
        if (symbol < 256) {
            output[size++] = (unsigned char)symbol;
        } else {
            size_t distance = get(&s, 15);

            for (unsigned n = symbol - 256 + MIN_MATCH; n--; size++)
                output[size] = output[size - distance];
        }
    }
    return size;
}

// ---- Data -----------------------------------------------------------------------------------

// Words of a made-up language, some often, some seldom.
static void make_input(uint64_t seed)
{
    static char words[1024][12];

    for (int i = 0; i < 1024; i++) {
        size_t length = 2 + random_next(&seed) % 9;

        for (size_t k = 0; k < length; k++)
            words[i][k] = (char)('a' + random_next(&seed) % 26);
        words[i][length] = ' ';
    }
    for (size_t i = 0; i < SIZE;) {
        uint64_t r = random_next(&seed);
        const char *word = words[(r & 1023) * (r >> 32 & 1023) >> 10];

        for (int k = 0; k < 12 && word[k] && i < SIZE; k++)
            input[i++] = (unsigned char)word[k];
    }
}

static uint64_t work(void)
{
    static struct code c;
    uint64_t sum = 0;

    for (uint64_t seed = 7; seed < 9; seed++) {
        size_t count, size;

        make_input(seed);
        memset(&c, 0, sizeof(c));
        count = tokenize();
        for (size_t i = 0; i < count; i++)
            c.frequency[symbol_of(tokens[i])]++;
        make_lengths(&c);
        make_codes(&c);
        size = pack(&c, count);
        if (unpack(&c, count) != SIZE || memcmp(input, output, SIZE) != 0)
            return 0;
        for (size_t i = 0; i < size; i++)
            sum = sum * 31 + packed[i];
        sum = sum * 31 + size;
    }
    return sum;
}
