// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tandem::test {

// The retrievers a second time, to check engine and learn against: plain loops in double,
// written from the papers and their code's formulas. Weights are row-major under the authors'
// names.
struct RetrieverReference {
  using Vector = std::vector<double>;
  using Rows = std::vector<Vector>;

  std::string type;  // lrurec, sasrec, narm, bert4rec, hstu
  int64_t num_items, width, blocks, heads, max_length;
  std::map<std::string, Vector> weights;

  // Scores of padding and all items (and BERT4Rec's mask) after the last of some inputs.
  Vector scores(const std::vector<int64_t>& inputs) const {
    const Vector state = type == "lrurec"   ? lrurec(inputs)
                         : type == "sasrec" ? sasrec(inputs)
                         : type == "narm"   ? narm(inputs)
                         : type == "hstu"   ? hstu(inputs)
                                            : bert4rec(inputs);
    const bool hllms = type == "sasrec" || type == "hstu";
    const std::string table = hllms ? "item_embedding.weight" : "embedding.token.weight";
    const bool has_bias = type == "lrurec" || type == "bert4rec";
    const auto rows = static_cast<int64_t>(weights.at(table).size()) / width;
    return product(table, state, has_bias ? weights.at("model.bias") : Vector(rows, 0.0));
  }

 private:
  // W x + b, W [b.size(), x.size()].
  Vector product(const std::string& weight, const Vector& x, Vector b) const {
    const Vector& w = weights.at(weight);
    for (size_t o = 0; o < b.size(); ++o)
      for (size_t i = 0; i < x.size(); ++i) b[o] += w[o * x.size() + i] * x[i];
    return b;
  }
  Vector linear(const std::string& name, const Vector& x) const {
    return product(name + ".weight", x, weights.at(name + ".bias"));
  }
  Vector row(const std::string& table, int64_t index) const {
    const auto begin = weights.at(table).begin() + index * width;
    return {begin, begin + width};
  }
  static Vector sum(Vector a, const Vector& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  }
  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  // Hendrycks and Gimpel: x Phi(x), exactly.
  static Vector gelu(Vector x) {
    for (double& v : x) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
    return x;
  }

  // (x - mean) / sqrt(variance + eps) w + b; divisor D, or D - 1 as BERT4Rec's code.
  Vector layer_norm(const std::string& name, Vector x, double eps, bool unbiased = false) const {
    double mean = 0, squares = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) squares += (v - mean) * (v - mean);
    const double divisor = static_cast<double>(x.size()) - (unbiased ? 1 : 0);
    const double deviation = std::sqrt(squares / divisor + eps);
    const Vector &w = weights.at(name + ".weight"), &b = weights.at(name + ".bias");
    for (size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - mean) / deviation * w[i] + b[i];
    return x;
  }

  // Yue et al., Eq. 5: h = lambda h + gamma (B x + b); Re(C h + c). A padding input hands no state
  // on.
  Vector lrurec(const std::vector<int64_t>& inputs) const {
    Rows x;
    for (const int64_t item : inputs)
      x.push_back(layer_norm("embedding.layer_norm", row("embedding.token.weight", item), 1e-5));
    using Complex = std::complex<double>;
    const int64_t channels = 2 * width;
    for (int64_t block = 0; block < blocks; ++block) {
      const std::string path = "model.lru_blocks." + std::to_string(block);
      const std::string lru = path + ".lru_layer", ffn = path + ".feed_forward";
      const Vector &logs = weights.at(lru + ".params_log"),
                   &b = weights.at(lru + ".in_proj.weight"),
                   &b_bias = weights.at(lru + ".in_proj.bias"),
                   &c = weights.at(lru + ".out_proj.weight"),
                   &c_bias = weights.at(lru + ".out_proj.bias");
      std::vector<Complex> h(channels);
      for (size_t t = 0; t < x.size(); ++t) {
        for (int64_t k = 0; k < channels; ++k) {
          const Complex lambda =
              std::exp(Complex(-std::exp(logs[k]), std::exp(logs[channels + k])));
          Complex u(b_bias[2 * k], b_bias[2 * k + 1]);
          for (int64_t d = 0; d < width; ++d) {
            const int64_t at = 2 * (k * width + d);
            u += Complex(b[at], b[at + 1]) * x[t][d];
          }
          const bool carries = t > 0 && inputs[t - 1] != 0;
          h[k] = (carries ? lambda * h[k] : 0.0) + std::exp(logs[2 * channels + k]) * u;
        }
        Vector y(width);
        for (int64_t d = 0; d < width; ++d) {
          Complex out(c_bias[2 * d], c_bias[2 * d + 1]);
          for (int64_t k = 0; k < channels; ++k) {
            const int64_t at = 2 * (d * channels + k);
            out += Complex(c[at], c[at + 1]) * h[k];
          }
          y[d] = out.real();
        }
        y = layer_norm(lru + ".layer_norm", sum(y, x[t]), 1e-5);
        const Vector z = linear(ffn + ".w_2", gelu(linear(ffn + ".w_1", y)));
        x[t] = layer_norm(ffn + ".layer_norm", sum(z, y), 1e-5);
      }
    }
    return x.back();
  }

  // softmax(q k^T / sqrt(size)) v of one position, over positions that sees(key) lets it see.
  template <typename Sees>
  Vector attention(const Vector& q, const Rows& keys, const Rows& values, const Sees& sees) const {
    Vector mixed(width, 0.0);
    const int64_t size = width / heads;
    for (int64_t head = 0; head < heads; ++head) {
      Vector share(keys.size(), 0.0);
      double total = 0;
      for (size_t s = 0; s < keys.size(); ++s) {
        if (!sees(s)) continue;
        double dot = 0;
        for (int64_t i = head * size; i < (head + 1) * size; ++i) dot += q[i] * keys[s][i];
        total += share[s] = std::exp(dot / std::sqrt(static_cast<double>(size)));
      }
      for (size_t s = 0; s < keys.size(); ++s)
        for (int64_t i = head * size; i < (head + 1) * size; ++i)
          mixed[i] += share[s] / total * values[s][i];
    }
    return mixed;
  }

  // Kang and McAuley, as HLLM's authors compare with it. Inputs take the last of L slots.
  Vector sasrec(const std::vector<int64_t>& inputs) const {
    Rows x;
    const int64_t first = max_length - std::ssize(inputs);
    for (int64_t t = 0; t < std::ssize(inputs); ++t)
      x.push_back(layer_norm(
          "LayerNorm",
          sum(row("item_embedding.weight", inputs[t]), row("position_embedding.weight", first + t)),
          1e-12));
    for (int64_t block = 0; block < blocks; ++block) {
      const std::string layer = "trm_encoder.layer." + std::to_string(block) + ".";
      const std::string part = layer + "multi_head_attention.", ffn = layer + "feed_forward.";
      Rows keys, values;
      for (const Vector& one : x) {
        keys.push_back(linear(part + "key", one));
        values.push_back(linear(part + "value", one));
      }
      for (size_t t = 0; t < x.size(); ++t) {
        const Vector seen = attention(linear(part + "query", x[t]), keys, values, [&](size_t s) {
          return s == t || (s < t && inputs[s] != 0);
        });
        const Vector h =
            layer_norm(part + "LayerNorm", sum(linear(part + "dense", seen), x[t]), 1e-12);
        const Vector inner = gelu(linear(ffn + "dense_1", h));
        x[t] = layer_norm(ffn + "LayerNorm", sum(linear(ffn + "dense_2", inner), h), 1e-12);
      }
    }
    return x.back();
  }

  static Vector plain_norm(Vector x) {
    double mean = 0, squares = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) squares += (v - mean) * (v - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
    for (double& v : x) v = (v - mean) / deviation;
    return x;
  }

  // Zhai et al., as HLLM's authors released it. Inputs take the last of L slots; padding is neither
  // seen nor sees.
  Vector hstu(const std::vector<int64_t>& inputs) const {
    Rows x;
    const int64_t first = max_length - std::ssize(inputs), size = width / heads;
    for (int64_t t = 0; t < std::ssize(inputs); ++t)
      x.push_back(sum(row("item_embedding.weight", inputs[t]),
                      row("position_embedding.weight", first + t)));
    for (int64_t block = 0; block < blocks; ++block) {
      const std::string layer = "_hstu._attention_layers." + std::to_string(block) + ".";
      const Vector& w = weights.at(layer + "_uvqk");
      Rows mixed;  // u, v, q, k
      for (const Vector& one : x) {
        const Vector normed = plain_norm(one);
        Vector& out = mixed.emplace_back(4 * width, 0.0);
        for (int64_t o = 0; o < 4 * width; ++o) {
          for (int64_t i = 0; i < width; ++i) out[o] += normed[i] * w[i * 4 * width + o];
          out[o] *= sigmoid(out[o]);
        }
      }
      for (size_t t = 0; t < x.size(); ++t) {
        Vector seen(width, 0.0);
        for (size_t s = 0; s <= t; ++s) {
          if (inputs[s] == 0 || inputs[t] == 0) continue;
          for (int64_t head = 0; head < heads; ++head) {
            double dot = 0;
            for (int64_t i = head * size; i < (head + 1) * size; ++i)
              dot += mixed[t][2 * width + i] * mixed[s][3 * width + i];
            const double share = dot * sigmoid(dot) / static_cast<double>(max_length);
            for (int64_t i = head * size; i < (head + 1) * size; ++i)
              seen[i] += share * mixed[s][width + i];
          }
        }
        seen = plain_norm(seen);
        for (int64_t i = 0; i < width; ++i) seen[i] *= mixed[t][i];
        x[t] = sum(linear(layer + "_o", seen), x[t]);
      }
    }
    return x.back();
  }

  // Li et al.: a GRU and additive attention with its last state.
  Vector narm(const std::vector<int64_t>& inputs) const {
    const int64_t size = 2 * width;
    const Vector zero(3 * size, 0.0);
    Rows states;
    Vector h(size, 0.0);
    for (const int64_t item : inputs) {
      const Vector from_x = product("model.gru.weight_ih_l0", row("embedding.token.weight", item),
                                    weights.at("model.gru.bias_ih_l0"));
      const Vector from_h =
          product("model.gru.weight_hh_l0", h, weights.at("model.gru.bias_hh_l0"));
      for (int64_t i = 0; i < size; ++i) {
        const double r = sigmoid(from_x[i] + from_h[i]);
        const double z = sigmoid(from_x[size + i] + from_h[size + i]);
        const double n = std::tanh(from_x[2 * size + i] + r * from_h[2 * size + i]);
        h[i] = (1 - z) * n + z * h[i];
      }
      states.push_back(h);
    }
    const Vector query = product("model.a_global.weight", h, Vector(size, 0.0));
    Vector share;
    double total = 0;
    for (const Vector& state : states) {
      const Vector key = product("model.a_local.weight", state, Vector(size, 0.0));
      double score = 0;  // the hard sigmoid: x / 6 + 1 / 2, kept between 0 and 1
      for (int64_t i = 0; i < size; ++i)
        score += weights.at("model.v_vector.weight")[i] *
                 std::clamp((query[i] + key[i]) / 6 + 0.5, 0.0, 1.0);
      share.push_back(std::exp(score));
      total += share.back();
    }
    Vector both = h;
    both.resize(2 * size, 0.0);
    for (size_t t = 0; t < states.size(); ++t)
      for (int64_t i = 0; i < size; ++i) both[size + i] += share[t] / total * states[t][i];
    Vector out(width, 0.0);
    for (int64_t i = 0; i < 2 * size; ++i)
      for (int64_t d = 0; d < width; ++d)
        out[d] += both[i] * weights.at("model.b_vetor.weight")[i * width + d];
    return out;
  }

  // Sun et al., as LlamaRec's code family has it. Steps count from 1, all see all.
  Vector bert4rec(const std::vector<int64_t>& inputs) const {
    Rows x;
    for (int64_t t = 0; t < std::ssize(inputs); ++t)
      x.push_back(layer_norm(
          "embedding.layer_norm",
          sum(row("embedding.token.weight", inputs[t]), row("embedding.position.pe.weight", t + 1)),
          1e-12, true));
    for (int64_t block = 0; block < blocks; ++block) {
      const std::string path = "model.transformer_blocks." + std::to_string(block) + ".";
      const std::string part = path + "attention.linear_layers.";
      Rows keys, values;
      for (const Vector& one : x) {
        keys.push_back(linear(part + "1", one));
        values.push_back(linear(part + "2", one));
      }
      for (Vector& one : x) {
        const Vector seen =
            attention(linear(part + "0", one), keys, values, [](size_t) { return true; });
        const Vector h =
            layer_norm(path + "input_sublayer.layer_norm",
                       sum(linear(path + "attention.output_linear", seen), one), 1e-12, true);
        const Vector inner = gelu(linear(path + "feed_forward.w_1", h));
        one = layer_norm(path + "output_sublayer.layer_norm",
                         sum(linear(path + "feed_forward.w_2", inner), h), 1e-12, true);
      }
    }
    return gelu(linear("model.linear", x.back()));
  }
};

}  // namespace tandem::test
